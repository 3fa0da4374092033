import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { Database, Tx } from "../../storage/database/database.ts";
import type { AuditSigner } from "./audit-signer.ts";
import { statementOf } from "./audit-signer.ts";
import {
  deleteUpTo,
  findLastBefore,
  listUnsealed,
  lockChain,
  type Seal,
  writeAnchored,
  writeHead,
  writeSeals,
} from "./chain-store.ts";
import { hashEntry } from "./hash-entry.ts";
import { byRegistry, recordAudit } from "./record-audit.ts";

export interface SealDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly signer: AuditSigner;
  /** How often the end of the chain is written into the log and, as an entry, to whoever entries are forwarded to. */
  readonly anchorMs: number;
}

/**
 * Gives committed entries their places in the chain, at most `limit`, and tells how many. A place is given when an entry is sealed, not when it is
 * written: ids of transactions side by side become visible in any order, and an entry that shows up late simply comes later. So writers share
 * nothing, and nothing is left out. Safe to run anywhere at any time: who finds somebody else at it leaves it to them and tells 0.
 */
export async function sealEntries(deps: SealDeps, limit: number): Promise<number> {
  await deps.signer.publicKey(); // loads the key outside of the transaction
  const { sealed, anchor } = await deps.database.transaction(async (tx) => {
    const chain = await lockChain(tx, false);
    const entries = chain === undefined ? [] : await listUnsealed(tx, limit);
    const atMs = deps.clock.nowMs();
    if (chain === undefined || entries.length === 0) return { sealed: 0, anchor: undefined };
    const seals: Seal[] = [];
    let { sequence, hash } = chain.head;
    for (const entry of entries) {
      sequence += 1;
      hash = hashEntry(hash, entry, sequence);
      seals.push({ id: entry.id, sequence, hash });
    }
    await writeSeals(tx, seals);
    const head = { sequence, hash, atMs };
    await writeHead(tx, { ...head, signature: await deps.signer.sign(statementOf("head", head)) });
    // An anchor is an entry itself: one that follows nothing but an anchor says nothing new.
    const isNews = entries.some((entry) => entry.action !== "audit.anchor");
    const isDue = isNews && Math.abs(atMs - chain.anchoredAtMs) >= deps.anchorMs;
    return { sealed: entries.length, anchor: isDue ? await writeAnchor(deps, tx, head) : undefined };
  });
  // What a log collector has taken cannot be taken back: whoever cuts the chain's end is found out by it.
  if (anchor !== undefined) deps.log.info({ ...anchor }, "audit anchor");
  return sealed;
}

async function writeAnchor(
  deps: SealDeps,
  tx: Tx,
  head: { readonly sequence: number; readonly hash: string; readonly atMs: number },
) {
  const anchor = { ...head, signature: await deps.signer.sign(statementOf("anchor", head)) };
  await recordAudit(tx, byRegistry, head.atMs, {
    action: "audit.anchor",
    target: `audit entry ${head.sequence}`,
    detail: anchor,
  });
  await writeAnchored(tx, head.sequence, head.atMs);
  return anchor;
}

/**
 * Lets go of the oldest sealed entries that are older than `beforeMs`, at most `limit`, and tells how many. What is left follows a signed
 * checkpoint, and an entry says what went. May be repeated.
 */
export async function pruneEntries(deps: SealDeps, beforeMs: number, limit: number): Promise<number> {
  await deps.signer.publicKey();
  return deps.database.transaction(async (tx) => {
    const chain = await lockChain(tx, true);
    if (chain === undefined) return 0;
    const last = await findLastBefore(tx, chain.checkpoint.sequence, beforeMs, limit);
    if (last === undefined) return 0;
    const atMs = deps.clock.nowMs();
    const place = { ...last, atMs };
    const signature = await deps.signer.sign(statementOf("checkpoint", place));
    await deleteUpTo(tx, { ...place, signature });
    const first = chain.checkpoint.sequence + 1;
    await recordAudit(tx, byRegistry, atMs, {
      action: "audit.prune",
      target: `audit entries ${first} to ${last.sequence}`,
      detail: { ...place, signature },
    });
    return last.sequence - chain.checkpoint.sequence;
  });
}
