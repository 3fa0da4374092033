import type { Endpoint } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { createSignInThrottle } from "../sign-in/sign-in-throttle.ts";
import { type AskProviders, createAskProviders } from "./ask-providers.ts";
import { identityEndpoints } from "./identity-routes.ts";
import { openProviders } from "./open-providers.ts";
import { providerEndpoints } from "./provider-routes.ts";
import { signInWithProviderEndpoints } from "./sign-in-with-provider-routes.ts";
import { createSyncWorker } from "./sync-worker.ts";

/** Ways of signing in beside our own passwords, as the area's face sees them. */
export interface SignInProviders {
  readonly endpoints: readonly Endpoint[];
  readonly ask: AskProviders;
  /** Begins to follow the directories in the background. */
  start(): void;
  stop(): Promise<void>;
}

export function createSignInProviders(deps: IdentityDeps): SignInProviders {
  const providers = openProviders(deps);
  const worker = createSyncWorker(deps, providers);
  const throttle = createSignInThrottle(deps.clock);
  return {
    endpoints: [
      ...providerEndpoints(deps, { providers, worker }),
      ...signInWithProviderEndpoints(deps, providers),
      ...identityEndpoints(deps, { providers, throttle }),
    ],
    ask: createAskProviders(deps, providers),
    start: () => worker.start(),
    stop: () => worker.stop(),
  };
}
