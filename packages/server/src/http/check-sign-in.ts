import type { Actor, UserActor } from "../access/actor.ts";
import { AppError } from "../lib/app-error.ts";
import type { Endpoint } from "./endpoint.ts";

/** How well somebody must have proved who they are, beyond who they are. */
export interface SignInRules {
  /** How long ago the owner of a session may have proved it, where an endpoint is dangerous. */
  readonly recentMs: number;
  /** `MFA_REQUIRED` when the actor must have shown a second factor to do anything at this place, and has not. */
  readonly checkMfa: (actor: UserActor, place: MfaPlace) => Promise<void>;
}

/** Where somebody wants to do something on the management API. */
export interface MfaPlace {
  readonly namespace: string | undefined;
  readonly repository: string | undefined;
  /** What they make here works everywhere, so whatever any organization that they are a member of asks for counts. */
  readonly isEverywhere: boolean;
}

/** Checks it for an endpoint of the management API. `MFA_REQUIRED`, `RECENT_SIGN_IN_REQUIRED`: each tells a page what to ask for. */
export async function checkSignIn(
  rules: SignInRules,
  actor: Actor,
  endpoint: Endpoint,
  params: Readonly<Record<string, string>>,
  nowMs: number,
): Promise<void> {
  if (actor.kind !== "user") return;
  if (endpoint.isOpenBeforeMfa !== true) {
    await rules.checkMfa(actor, {
      namespace: params["namespace"],
      repository: params["name"],
      isEverywhere: endpoint.makesCredentials === true,
    });
  }
  if (endpoint.needsRecentSignIn === true) checkRecentSignIn(actor, nowMs, rules.recentMs);
}

/**
 * Refuses a session whose owner has not proved who they are for a while: `RECENT_SIGN_IN_REQUIRED`. Other credentials prove it each time, or are what
 * programs have.
 */
export function checkRecentSignIn(actor: UserActor, nowMs: number, recentMs: number): void {
  if (actor.credential !== "session") return;
  const { authenticatedAtMs } = actor;
  // The distance, as a clock that was set back must not make it last.
  if (authenticatedAtMs !== undefined && Math.abs(nowMs - authenticatedAtMs) < recentMs) return;
  throw new AppError(
    "RECENT_SIGN_IN_REQUIRED",
    "prove again that it is you: POST /api/v1/session/step-up, then repeat this",
  );
}
