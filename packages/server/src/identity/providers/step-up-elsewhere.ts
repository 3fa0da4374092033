import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { UserActor } from "../../access/actor.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findFactors, hasSecondFactor } from "../mfa/find-factors.ts";
import { findSessionById, markAuthenticated, touchUser } from "../sessions/session-store.ts";
import { actorOf } from "../sign-in/living.ts";
import { findUserById } from "../users/user-store.ts";
import { lockIdentity } from "./identity-store.ts";
import type { ProviderPerson } from "./provider.ts";
import type { SignInProvider } from "./provider-store.ts";
import { admits } from "./settle-identity.ts";
import type { SteppedUp } from "./sign-in-state.ts";

const methodPrefix = "oidc:";

/**
 * The provider that the owner of a session can be sent to, to prove anew that it is theirs: the one that they signed in with, where it can be asked for
 * that. Undefined for others, and for those who have a second factor of ours: that is what they show.
 */
export async function findProviderOfSession(
  deps: IdentityDeps,
  { userId, sessionId }: Pick<UserActor, "userId" | "sessionId">,
): Promise<string | undefined> {
  if (sessionId === undefined || hasSecondFactor(await findFactors(deps, userId))) return undefined;
  const session = await findSessionById(deps.database.read, sessionId);
  if (session?.userId !== userId || !session.method.startsWith(methodPrefix)) return undefined;
  return session.method.slice(methodPrefix.length);
}

/**
 * Notes that somebody who was asked anew by a provider is the owner of the session that they began with. `DENIED` when they are somebody else, may not
 * come in any more, or have a second factor of ours meanwhile; `UNAUTHORIZED` when the session has ended. May be repeated.
 */
export async function settleStepUp(
  deps: IdentityDeps,
  call: Call,
  shown: { readonly provider: SignInProvider; readonly person: ProviderPerson; readonly stepUp: SteppedUp },
): Promise<void> {
  const { provider, person, stepUp } = shown;
  const { userId, sessionId } = stepUp;
  const { isMfa = false } = person;
  if (hasSecondFactor(await findFactors(deps, userId))) throw cannotAskAnew();
  await deps.database.transaction(async (tx) => {
    const identity = await lockIdentity(tx, { providerId: provider.id, subject: person.subject });
    const user = await findUserById(tx, userId);
    if (identity?.userId !== userId || user === undefined || !admits(provider, person)) {
      throw new AppError("DENIED", "this is another account than the one that is signed in here");
    }
    const nowMs = deps.clock.nowMs();
    const session = await findSessionById(tx, sessionId);
    if (session?.userId !== userId || !(await markAuthenticated(tx, sessionId, { nowMs, isMfa }))) {
      throw new AppError("UNAUTHORIZED", "the session has ended");
    }
    await touchUser(tx, userId, { nowMs, isMfa });
    await bumpAccessVersion(tx);
    const actor = {
      ...actorOf({ user, accessToken: undefined, passwordEpoch: session.passwordEpoch }, "session"),
      sessionId,
    };
    await recordAudit(tx, { ...call, actor }, nowMs, {
      action: "session.step-up",
      target: `user ${user.username}`,
      detail: { method: `${provider.kind}:${provider.name}`, amr: [...person.methods], isMfa },
    });
  });
  deps.access.changed();
}

/** `REQUEST_INVALID`: it must be proved another way. */
export function cannotAskAnew(): AppError {
  return new AppError(
    "REQUEST_INVALID",
    "this session cannot be proved at its provider; GET /api/v1/session/step-up tells how else, or sign out and in again",
  );
}
