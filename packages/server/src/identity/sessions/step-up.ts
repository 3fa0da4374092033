import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { UserActor } from "../../access/actor.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findFactors, hasSecondFactor } from "../mfa/find-factors.ts";
import { shownFactorIn } from "../mfa/shown-factor.ts";
import { badTicket, openTicket, redeemTicket, type Ticket } from "../mfa/ticket.ts";
import type { FactorVerifier } from "../mfa/verify-factor.ts";
import type { RelyingParty } from "../mfa/web-authn.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import { markAuthenticated } from "./session-store.ts";

/** What the owner of a session shows to prove that it is theirs; which of these, depends on what they have. */
export interface Proof {
  readonly password?: string | undefined;
  readonly ticket?: string | undefined;
  readonly code?: string | undefined;
  readonly recoveryCode?: string | undefined;
  readonly securityKey?: unknown;
}

export type SessionActor = UserActor & { readonly sessionId: number };

/**
 * Notes that the owner of a session has just proved that it is theirs: with a second factor, or by password if they have none. `UNAUTHORIZED` when it
 * is wrong, `REQUEST_INVALID` when it is not what is asked for, `TOOMANYREQUESTS` after too many wrong ones.
 */
export async function stepUp(
  deps: IdentityDeps,
  verifiers: { readonly secrets: SecretVerifier; readonly factors: FactorVerifier },
  call: Call & { readonly actor: SessionActor },
  from: RelyingParty & { readonly remoteAddress: string },
  proof: Proof,
): Promise<void> {
  const { userId, username } = call.actor;
  if (hasSecondFactor(await findFactors(deps, userId))) {
    const ticket = proof.ticket === undefined ? undefined : openTicket(deps, "step-up", proof.ticket);
    if (ticket !== undefined && ticket.userId !== userId) throw badTicket();
    const shown = shownFactorIn(proof, ticket);
    await verifiers.factors.take({ id: userId, username }, shown, from, (tx) =>
      settle(deps, tx, call, { ticket, isMfa: true }),
    );
  } else {
    if (proof.password === undefined) {
      throw new AppError("REQUEST_INVALID", "send the password; you have no second factor");
    }
    const proved = await verifiers.secrets.verifyPassword(username, proof.password, from.remoteAddress);
    if (proved.userId !== userId) throw new AppError("UNAUTHORIZED", "the password is wrong");
    await deps.database.transaction((tx) => settle(deps, tx, call, { ticket: undefined, isMfa: false }));
  }
  deps.access.changed();
}

async function settle(
  deps: IdentityDeps,
  tx: Tx,
  call: Call & { readonly actor: SessionActor },
  { ticket, isMfa }: { readonly ticket: Ticket | undefined; readonly isMfa: boolean },
): Promise<void> {
  if (ticket !== undefined) await redeemTicket(tx, ticket);
  const nowMs = deps.clock.nowMs();
  if (!(await markAuthenticated(tx, call.actor.sessionId, { nowMs, isMfa }))) {
    throw new AppError("UNAUTHORIZED", "the session has ended");
  }
  await bumpAccessVersion(tx);
  await recordAudit(tx, call, nowMs, { action: "session.step-up", target: `user ${call.actor.username}` });
}
