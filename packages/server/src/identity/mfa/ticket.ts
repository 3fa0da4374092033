import { AppError } from "../../lib/app-error.ts";
import { newUuid } from "../../lib/ids.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { insertUsedTicket } from "./ticket-store.ts";

/**
 * What the first half of an exchange tells the second, sealed, so that nothing need be kept between them: the password was right, this is the
 * challenge, this is the seed that was shown.
 */
export interface TicketContent {
  readonly userId: number;
  /** Of the password at the time: another password makes the ticket worthless. */
  readonly passwordEpoch: string;
  /** What a security key is to sign. */
  readonly challenge?: string | undefined;
  /** The seed that an authenticator app was given. */
  readonly seed?: string | undefined;
}

export interface Ticket extends TicketContent {
  readonly id: string;
  readonly expiresAtMs: number;
}

/** One for each kind of exchange: a ticket of one is nothing in another. */
export type TicketPurpose = "sign-in" | "step-up" | "totp" | "security-key";

/** Longer than a person needs to find their phone. */
const lifetimeMs = 300_000;

export function sealTicket(deps: IdentityDeps, purpose: TicketPurpose, content: TicketContent): string {
  const ticket: Ticket = { ...content, id: newUuid(), expiresAtMs: deps.clock.nowMs() + lifetimeMs };
  return deps.secretBox.seal(JSON.stringify(ticket), contextOf(purpose));
}

/** `UNAUTHORIZED` when it is none of ours, was made for something else, or is too old. */
export function openTicket(deps: IdentityDeps, purpose: TicketPurpose, text: string): Ticket {
  let json: string;
  try {
    json = deps.secretBox.open(text, contextOf(purpose));
  } catch (cause) {
    throw badTicket(cause);
  }
  const ticket = JSON.parse(json) as Ticket; // as: only `sealTicket` makes what opens in this context
  const leftMs = ticket.expiresAtMs - deps.clock.nowMs();
  if (leftMs <= 0 || leftMs > lifetimeMs) throw badTicket();
  return ticket;
}

/** Uses a ticket up, with what it was for. `UNAUTHORIZED` when it was used before, on whatever instance. */
export async function redeemTicket(tx: Tx, ticket: Ticket): Promise<void> {
  if (!(await insertUsedTicket(tx, ticket.id, ticket.expiresAtMs))) throw badTicket();
}

export function badTicket(cause?: unknown): AppError {
  return new AppError("UNAUTHORIZED", "the ticket is used up or too old; begin again", { cause });
}

function contextOf(purpose: TicketPurpose): string {
  return `ticket ${purpose}`;
}
