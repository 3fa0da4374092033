import type { Client } from "../../http/endpoint.ts";
import { neighbourhoodOf } from "../../lib/neighbourhood-of.ts";
import type { Tx } from "../../storage/database/database.ts";
import { findCardById } from "../accounts/account-store.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { noteNetwork } from "./seen-network-store.ts";

const keptPerUser = 50;

/**
 * Tells the owner of an account by mail when it is signed in to from a neighbourhood (/24, /48) where it never was before; once for each, in the
 * transaction that signs them in. Not of the first one, and not without an address that was verified. Where people are is not kept, only what recognises it.
 */
export async function noticeNewNetwork(
  deps: Pick<IdentityDeps, "clock" | "secretBox" | "mails" | "sessions">,
  tx: Tx,
  userId: number,
  client: Client | undefined,
): Promise<void> {
  const { address = "unknown", userAgent } = client ?? {};
  const network = neighbourhoodOf(address);
  if (network === undefined || !deps.sessions.tellsOfNewNetworks) return;
  const nowMs = deps.clock.nowMs();
  const marks = deps.secretBox.hashes(`neighbourhood ${userId} ${network}`);
  if ((await noteNetwork(tx, { userId, marks, nowMs }, keptPerUser)) !== "new") return;
  const card = await findCardById(tx, userId);
  if (card?.email === undefined || !card.isEmailVerified) return;
  const data = { username: card.username, address, program: userAgent, at: new Date(nowMs).toISOString() };
  await deps.mails.queue(tx, { to: card.email, kind: "new-network", data, nowMs });
}
