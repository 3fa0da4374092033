import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { type FactorOwner, settleAddedFactor } from "./added-factor.ts";
import { findTotpSeed, insertTotpSeed } from "./factor-store.ts";
import { badTicket, openTicket, redeemTicket, sealTicket } from "./ticket.ts";
import { newTotpSeed, totpCounterOf, totpUri } from "./totp.ts";
import { totpContext } from "./verify-factor.ts";

/** A seed for an authenticator app, to be confirmed by a code within five minutes; until then nothing changes. `ALREADY_EXISTS` when there is one. */
export async function beginTotp(
  deps: IdentityDeps,
  owner: FactorOwner,
  issuer: string,
): Promise<{
  readonly ticket: string;
  readonly secret: string;
  readonly uri: string;
  readonly qrSvg: string;
}> {
  if ((await findTotpSeed(deps.database.read, owner.userId)) !== undefined) throw alreadyThere();
  const secret = newTotpSeed();
  const uri = totpUri(secret, owner.username, issuer);
  const ticket = sealTicket(deps, "totp", { userId: owner.userId, passwordEpoch: "", seed: secret });
  const { renderSVG } = await import("uqr");
  return { ticket, secret, uri, qrSvg: renderSVG(uri) };
}

/**
 * Adds the app that shows this code of the seed in the ticket; gives recovery codes when it is the first factor. `REQUEST_INVALID` for a wrong code, `UNAUTHORIZED` for a
 * ticket that is old, used or somebody else's.
 */
export async function confirmTotp(
  deps: IdentityDeps,
  call: Call,
  owner: FactorOwner,
  shown: { readonly ticket: string; readonly code: string },
): Promise<readonly string[] | undefined> {
  const ticket = openTicket(deps, "totp", shown.ticket);
  const { seed } = ticket;
  if (ticket.userId !== owner.userId || seed === undefined) throw badTicket();
  const nowMs = deps.clock.nowMs();
  const counter = totpCounterOf(seed, shown.code, nowMs);
  if (counter === undefined) {
    throw new AppError("REQUEST_INVALID", "this is not the code that the app shows now; check its clock");
  }
  const codes = await deps.database.transaction(async (tx) => {
    await redeemTicket(tx, ticket);
    const sealed = deps.secretBox.seal(seed, totpContext(owner.userId));
    const isNew = await insertTotpSeed(tx, {
      userId: owner.userId,
      seed: sealed,
      lastCounter: counter,
      nowMs,
    });
    if (!isNew) throw alreadyThere();
    return settleAddedFactor(deps, tx, call, owner, { action: "mfa.totp-add" });
  });
  deps.access.changed();
  return codes;
}

function alreadyThere(): AppError {
  return new AppError("ALREADY_EXISTS", "you have an authenticator app already; remove it first");
}
