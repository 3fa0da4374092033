import { createHash } from "node:crypto";
import type { StoredEntry } from "./audit-store.ts";

/** What the first entry of all follows. */
export const firstHash = "0".repeat(64);

/**
 * The canonical form of an entry: a JSON array of its place and its columns, in this order for ever; absent is null. Whoever has an export can
 * compute it without us.
 */
export function canonicalForm(entry: StoredEntry, sequence: number): string {
  return JSON.stringify([
    sequence,
    entry.id,
    entry.at_ms,
    entry.action,
    entry.outcome,
    entry.actor,
    entry.actor_user_id,
    entry.credential,
    entry.credential_id,
    entry.address,
    entry.user_agent,
    entry.request_id,
    entry.namespace,
    entry.repository,
    entry.target,
    entry.before,
    entry.after,
    entry.detail,
    entry.elevations,
  ]);
}

/** SHA-256 of the hash before, a line feed, and the canonical form; hexadecimal. */
export function hashEntry(previousHash: string, entry: StoredEntry, sequence: number): string {
  return createHash("sha256")
    .update(`${previousHash}\n${canonicalForm(entry, sequence)}`)
    .digest("hex");
}
