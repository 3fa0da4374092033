import { sql } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forUpdate, skipLocked } from "../../storage/database/row-locks.ts";
import type { SealedEntry, StoredEntry } from "./audit-store.ts";
import { firstHash } from "./hash-entry.ts";

/** The end of the chain, and where it begins. */
export interface Chain {
  readonly head: Signed;
  /** The last entry that was let go; sequence 0 = none was. */
  readonly checkpoint: Signed;
  readonly anchoredSequence: number;
  readonly anchoredAtMs: number;
}

export interface Signed {
  readonly sequence: number;
  readonly hash: string;
  readonly atMs: number;
  readonly signature: string;
}

/** Undefined as long as nothing has been sealed. */
export async function findChain(db: Queryable): Promise<Chain | undefined> {
  const row = await db.selectFrom("audit_chain").selectAll().where("id", "=", 1).executeTakeFirst();
  return row === undefined ? undefined : toChain(row);
}

/**
 * The chain, which nobody else changes until this transaction ends; made when it is missing. Undefined when somebody else has it and `wait` is
 * false.
 */
export async function lockChain(tx: Tx, wait: boolean): Promise<Chain | undefined> {
  const nothing = { sequence: 0, hash: firstHash, sealed_at_ms: 0, signature: "" };
  const none = { pruned_sequence: 0, pruned_hash: firstHash, pruned_at_ms: 0, pruned_signature: "" };
  await tx
    .insertInto("audit_chain")
    .values({ id: 1, ...nothing, ...none, anchored_sequence: 0, anchored_at_ms: 0 })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
  const locked = forUpdate(tx, tx.selectFrom("audit_chain").selectAll().where("id", "=", 1));
  const row = await (wait ? locked : skipLocked(tx, locked)).executeTakeFirst();
  return row === undefined ? undefined : toChain(row);
}

/** Committed entries that have no place yet, by id. Under the lock of the chain. */
export function listUnsealed(tx: Tx, limit: number): Promise<readonly StoredEntry[]> {
  return tx
    .selectFrom("audit_entries")
    .selectAll()
    .where("sequence", "is", null)
    .orderBy("id")
    .limit(limit)
    .execute();
}

export interface Seal {
  readonly id: number;
  readonly sequence: number;
  readonly hash: string;
}

/** Gives entries their places; throws when one has got another meanwhile. */
export async function writeSeals(tx: Tx, seals: readonly Seal[]): Promise<void> {
  const rows = seals.map(
    ({ id, sequence, hash }) =>
      sql`(cast(${id} as bigint), cast(${sequence} as bigint), cast(${hash} as text))`,
  );
  const result = await sql`
    update audit_entries set sequence = v.column2, hash = v.column3
    from (values ${sql.join(rows)}) as v
    where audit_entries.id = v.column1 and audit_entries.sequence is null`.execute(tx);
  if (result.numAffectedRows !== undefined && result.numAffectedRows !== BigInt(seals.length)) {
    throw new Error("an audit entry was sealed by somebody else meanwhile");
  }
}

export async function writeHead(tx: Tx, head: Signed): Promise<void> {
  const { sequence, hash, atMs, signature } = head;
  await tx
    .updateTable("audit_chain")
    .set({ sequence, hash, sealed_at_ms: atMs, signature })
    .where("id", "=", 1)
    .execute();
}

export async function writeAnchored(tx: Tx, sequence: number, atMs: number): Promise<void> {
  await tx
    .updateTable("audit_chain")
    .set({ anchored_sequence: sequence, anchored_at_ms: atMs })
    .where("id", "=", 1)
    .execute();
}

/** Sealed entries in the order of the chain, after a place. */
export async function listSealedAfter(
  db: Queryable,
  sequence: number,
  limit: number,
): Promise<readonly SealedEntry[]> {
  const rows = await db
    .selectFrom("audit_entries")
    .selectAll()
    .where("sequence", ">", sequence)
    .orderBy("sequence")
    .limit(limit)
    .execute();
  // as: `sequence` is not null by the condition, and the two are written together
  return rows as SealedEntry[];
}

export async function findHashAt(db: Queryable, sequence: number): Promise<string | undefined> {
  const row = await db
    .selectFrom("audit_entries")
    .select("hash")
    .where("sequence", "=", sequence)
    .executeTakeFirst();
  return row?.hash ?? undefined;
}

/** An entry before the chain's beginning: there must be none. */
export async function findSealedUpTo(db: Queryable, sequence: number): Promise<number | undefined> {
  const row = await db
    .selectFrom("audit_entries")
    .select("sequence")
    .where("sequence", "<=", sequence)
    .orderBy("sequence")
    .limit(1)
    .executeTakeFirst();
  return row?.sequence ?? undefined;
}

/** Entries without a place, up to 10,000. */
export async function countUnsealed(db: Queryable): Promise<number> {
  const some = db.selectFrom("audit_entries").select("id").where("sequence", "is", null).limit(10_000);
  const row = await db
    .selectFrom(some.as("some"))
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .executeTakeFirst();
  return row?.count ?? 0;
}

/**
 * The last entry of the oldest ones that are all older than `beforeMs`, at most `limit` of them; undefined when the oldest is younger.
 */
export async function findLastBefore(
  tx: Tx,
  afterSequence: number,
  beforeMs: number,
  limit: number,
): Promise<{ readonly sequence: number; readonly hash: string } | undefined> {
  const entries = await tx
    .selectFrom("audit_entries")
    .select(["sequence", "hash", "at_ms"])
    .where("sequence", ">", afterSequence)
    .orderBy("sequence")
    .limit(limit)
    .execute();
  const young = entries.findIndex((entry) => entry.at_ms >= beforeMs);
  const last = entries.at(young < 0 ? -1 : young - 1);
  if (young === 0 || last?.sequence == null || last.hash === null) return undefined;
  return { sequence: last.sequence, hash: last.hash };
}

/** Lets go of the entries up to `checkpoint`; the trigger allows just these. */
export async function deleteUpTo(tx: Tx, checkpoint: Signed): Promise<void> {
  await tx
    .updateTable("audit_chain")
    .set({
      pruned_sequence: checkpoint.sequence,
      pruned_hash: checkpoint.hash,
      pruned_at_ms: checkpoint.atMs,
      pruned_signature: checkpoint.signature,
    })
    .where("id", "=", 1)
    .execute();
  await tx.deleteFrom("audit_entries").where("sequence", "<=", checkpoint.sequence).execute();
}

function toChain(row: {
  readonly sequence: number;
  readonly hash: string;
  readonly sealed_at_ms: number;
  readonly signature: string;
  readonly pruned_sequence: number;
  readonly pruned_hash: string;
  readonly pruned_at_ms: number;
  readonly pruned_signature: string;
  readonly anchored_sequence: number;
  readonly anchored_at_ms: number;
}): Chain {
  return {
    head: { sequence: row.sequence, hash: row.hash, atMs: row.sealed_at_ms, signature: row.signature },
    checkpoint: {
      sequence: row.pruned_sequence,
      hash: row.pruned_hash,
      atMs: row.pruned_at_ms,
      signature: row.pruned_signature,
    },
    anchoredSequence: row.anchored_sequence,
    anchoredAtMs: row.anchored_at_ms,
  };
}
