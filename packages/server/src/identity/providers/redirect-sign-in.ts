import type { Call, Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { newSecret } from "../../lib/ids.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { type Offer, offerFactors } from "../mfa/offer-factors.ts";
import { sessionSecretIn } from "../sessions/session-cookie.ts";
import { startSession } from "../sessions/start-session.ts";
import { passwordEpochOf } from "../users/password-hash.ts";
import { findUserById } from "../users/user-store.ts";
import type { Providers } from "./open-providers.ts";
import type { PasswordProvider, RedirectProvider } from "./provider.ts";
import type { SignInProvider } from "./provider-store.ts";
import { safeReturnTo } from "./safe-return-to.ts";
import { settleIdentity } from "./settle-identity.ts";
import { openState, type SteppedUp, sealState } from "./sign-in-state.ts";
import { cannotAskAnew, settleStepUp } from "./step-up-elsewhere.ts";

/**
 * Sends a browser to a provider: where to, and the cookie that it must come back with. `NOT_FOUND` for a provider that is none, or takes passwords;
 * `UNAVAILABLE` when it does not answer.
 */
export async function beginSignIn(
  deps: IdentityDeps,
  providers: Providers,
  call: Call,
  request: Pick<Request, "origin">,
  asked: {
    readonly provider: string;
    readonly returnTo: string | null;
    readonly linksUserId?: number;
    readonly stepUp?: SteppedUp;
  },
): Promise<{ readonly address: string; readonly setCookie: string }> {
  const { origin } = request;
  const provider = await providers.get(asked.provider);
  const state = newSecret();
  const redirectUri = callbackOf(origin, provider);
  const anewSinceMs = asked.stepUp?.sinceMs;
  const start = await providers.use(provider, call.signal, async (opened, signal) => {
    const redirect = redirecting(opened);
    if (anewSinceMs !== undefined && !redirect.canAskAnew) throw cannotAskAnew();
    return redirect.begin({ redirectUri, state, anewSinceMs, signal });
  });
  const kept = {
    provider: provider.name,
    state,
    kept: start.kept,
    returnTo: safeReturnTo(asked.returnTo, origin),
    linksUserId: asked.linksUserId,
    stepUp: asked.stepUp,
  };
  return { address: start.address, setCookie: sealState(deps, kept, origin) };
}

/**
 * A browser is back from a provider: signs it in as who the provider says, links that identity to the user who began, or notes that the owner of a session has proved anew that it is theirs. Whoever has a second factor here
 * and showed none there is asked for it first. `DENIED` when the sign-in was
 * not begun in this browser, the provider refuses or its answer is not for us, or the account may not come in. A second time, the provider refuses.
 */
export async function finishSignIn(
  deps: IdentityDeps,
  providers: Providers,
  call: Call,
  request: Request,
): Promise<FinishedSignIn> {
  const { origin } = request;
  const provider = await providers.get(request.params["provider"] ?? "");
  const began = openState(deps, request.headers, { origin, provider: provider.name });
  const redirectUri = callbackOf(origin, provider);
  const callback = new URL(redirectUri);
  callback.search = request.query.toString();
  const { state, kept, returnTo, linksUserId, stepUp } = began;
  const anewSinceMs = stepUp?.sinceMs;
  const person = await providers.use(provider, call.signal, async (opened, signal) =>
    redirecting(opened).finish(callback, { redirectUri, state, kept, anewSinceMs, signal }),
  );
  if (stepUp !== undefined) {
    await settleStepUp(deps, call, { provider, person, stepUp });
    return { kind: "done", returnTo, setCookie: undefined };
  }
  if (linksUserId !== undefined) {
    await settleIdentity(deps, provider, person, { kind: "link", userId: linksUserId }, call);
    return { kind: "done", returnTo, setCookie: undefined };
  }
  const settled = await settleIdentity(deps, provider, person, { kind: "sign-in" }, call);
  const { isMfa = false } = person;
  if (!isMfa) {
    const user = await findUserById(deps.database.read, settled.userId);
    const passwordEpoch = passwordEpochOf(user?.passwordHash);
    const offer = await offerFactors(deps, "sign-in", { userId: settled.userId, passwordEpoch }, request);
    if (offer !== undefined) return { kind: "second-factor", offer };
  }
  const session = await startSession(deps, call, {
    userId: settled.userId,
    method: `${provider.kind}:${provider.name}`,
    amr: person.methods,
    isMfa,
    origin,
    replaces: sessionSecretIn(request.headers, origin),
  });
  return { kind: "done", returnTo, setCookie: session.setCookie };
}

export type FinishedSignIn =
  | { readonly kind: "done"; readonly returnTo: string; readonly setCookie: string | undefined }
  | { readonly kind: "second-factor"; readonly offer: Offer };

/** Where a browser goes to end its session at the provider as well; undefined when it need not. */
export async function signOutAddress(
  providers: Providers,
  call: Call,
  request: Request,
): Promise<string | undefined> {
  const provider = await providers.get(request.params["provider"] ?? "");
  return providers.use(provider, call.signal, async (opened) =>
    redirecting(opened).signOutAddress(`${request.origin}/`),
  );
}

function redirecting(opened: PasswordProvider | RedirectProvider): RedirectProvider {
  if (opened.how === "redirect") return opened;
  throw new AppError("NOT_FOUND", "this way to sign in takes a password");
}

function callbackOf(origin: string, provider: SignInProvider): string {
  return `${origin}/api/v1/sign-in/${provider.name}/callback`;
}
