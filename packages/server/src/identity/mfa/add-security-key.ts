import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { type FactorOwner, settleAddedFactor } from "./added-factor.ts";
import { insertSecurityKey, listSecurityKeys } from "./factor-store.ts";
import { badTicket, openTicket, redeemTicket, sealTicket } from "./ticket.ts";
import { type RelyingParty, registrationOptions, verifyRegistration } from "./web-authn.ts";

const maxPerUser = 20;

/** What a browser needs to register a key, within five minutes; until then nothing changes. `REQUEST_INVALID` at a bare address, or with too many keys. */
export async function beginSecurityKey(
  deps: IdentityDeps,
  owner: FactorOwner,
  party: RelyingParty,
): Promise<{ readonly ticket: string; readonly options: unknown }> {
  const known = await listSecurityKeys(deps.database.read, owner.userId);
  if (known.length >= maxPerUser) {
    throw new AppError(
      "REQUEST_INVALID",
      `nobody has more than ${maxPerUser} security keys; remove one first`,
    );
  }
  const options = await registrationOptions(party, { id: owner.userId, username: owner.username }, known);
  const { challenge } = options;
  const ticket = sealTicket(deps, "security-key", { userId: owner.userId, passwordEpoch: "", challenge });
  return { ticket, options };
}

/**
 * Adds the key that has signed; gives recovery codes when it is the first factor. `REQUEST_INVALID` when what it signed is not what was asked, `UNAUTHORIZED` for a
 * ticket that is old, used or somebody else's, `ALREADY_EXISTS` for a name that is taken or a key that somebody has.
 */
export async function confirmSecurityKey(
  deps: IdentityDeps,
  call: Call,
  owner: FactorOwner,
  party: RelyingParty,
  shown: { readonly ticket: string; readonly name: string; readonly response: unknown },
): Promise<readonly string[] | undefined> {
  const ticket = openTicket(deps, "security-key", shown.ticket);
  const { challenge } = ticket;
  if (ticket.userId !== owner.userId || challenge === undefined) throw badTicket();
  const key = await verifyRegistration(party, challenge, shown.response);
  if (key === undefined)
    throw new AppError("REQUEST_INVALID", "the security key did not sign what it was asked to");
  const { name } = shown;
  const codes = await deps.database.transaction(async (tx) => {
    await redeemTicket(tx, ticket);
    const createdAtMs = deps.clock.nowMs();
    if (!(await insertSecurityKey(tx, owner.userId, { ...key, name, createdAtMs }))) {
      throw new AppError("ALREADY_EXISTS", "you have a security key of that name, or this one already");
    }
    return settleAddedFactor(deps, tx, call, owner, { action: "mfa.security-key-add", detail: { name } });
  });
  deps.access.changed();
  return codes;
}
