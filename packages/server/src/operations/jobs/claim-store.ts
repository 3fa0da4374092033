import { type RawBuilder, sql } from "kysely";
import { type Job, jobColumns, toJob } from "../../activity/jobs/job-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { engineOf } from "../../storage/database/engine-of.ts";
import { forUpdate, skipLocked } from "../../storage/database/row-locks.ts";

/** Any number that nobody else uses for an advisory lock in this database. */
const claimLock = 7_203_446_178;
/** A process that stops answering in the middle of a claim must not keep the others from theirs. */
const idleLimitMs = 5_000;

/** What there is to be done by a claim. */
export interface Work {
  readonly isJobDue: boolean;
  readonly isAnyAbandoned: boolean;
  readonly isScheduleDue: boolean;
}

/** Whether there is anything for which a claim is worth while; undefined = nothing. One statement, which reads the first entries of a few indexes. */
export async function findWork(
  db: Queryable,
  nowMs: number,
  kinds: readonly string[],
): Promise<Work | undefined> {
  const { rows } = await sql<{ queued: unknown; due: unknown; abandoned: unknown; scheduled: unknown }>`select
    exists (select 1 from jobs where state = 'queued' and kind in (${list(kinds)})) as queued,
    exists (select 1 from jobs where state = 'waiting' and run_at_ms <= ${nowMs}) as due,
    exists (select 1 from jobs where state = 'running' and lease_until_ms <= ${nowMs}) as abandoned,
    exists (select 1 from job_kinds where next_slot_ms <= ${nowMs} and is_paused = 0 and name in (${list(kinds)})) as scheduled`.execute(
    db,
  );
  const [row] = rows;
  if (row === undefined || !(row.queued || row.due || row.abandoned || row.scheduled)) return undefined;
  return {
    isJobDue: Boolean(row.due),
    isAnyAbandoned: Boolean(row.abandoned),
    isScheduleDue: Boolean(row.scheduled),
  };
}

/**
 * One process at a time claims, so that limits and turns hold for all processes together. False = another one is at it. On SQLite a write transaction is
 * alone anyway.
 */
export async function takeClaimTurn(tx: Tx): Promise<boolean> {
  if (engineOf(tx) === "sqlite") return true;
  const { rows } = await sql<{
    taken: boolean | number;
  }>`select pg_try_advisory_xact_lock(${claimLock}) as taken,
    set_config('idle_in_transaction_session_timeout', ${String(idleLimitMs)}, true)`.execute(tx);
  return Boolean(rows[0]?.taken);
}

/** Lets jobs whose time has come be taken. */
export async function queueDueJobs(tx: Tx, nowMs: number, limit: number): Promise<void> {
  const due = tx
    .selectFrom("jobs")
    .select("id")
    .where("state", "=", sql.lit("waiting"))
    .where("run_at_ms", "<=", nowMs)
    .orderBy("run_at_ms")
    .limit(limit);
  await tx
    .updateTable("jobs")
    .set({ state: "queued" })
    .where("id", "in", () => skipLocked(tx, forUpdate(tx, due)))
    .where("state", "=", sql.lit("waiting"))
    .execute();
}

/** Jobs whose holder has not been heard of in time. */
export async function listAbandoned(tx: Tx, nowMs: number, limit: number): Promise<readonly Job[]> {
  const query = tx
    .selectFrom("jobs")
    .select(jobColumns)
    .where("state", "=", sql.lit("running"))
    .where("lease_until_ms", "<=", nowMs)
    .limit(limit);
  return (await skipLocked(tx, forUpdate(tx, query)).execute()).map(toJob);
}

export interface ReadyKind {
  readonly kind: string;
  /** Of its most urgent job. */
  readonly priority: number;
  /** How many run on all instances. */
  readonly running: number;
}

/** Those of the kinds that do not rest and have a job to be taken, the most urgent first. */
export async function listReadyKinds(tx: Tx, kinds: readonly string[]): Promise<readonly ReadyKind[]> {
  const { rows } = await sql<{ kind: string; priority: number | null; running: number }>`
    select k.name as kind,
      (select j.priority from jobs j where j.state = 'queued' and j.kind = k.name order by j.priority desc limit 1) as priority,
      (select count(*) from jobs r where r.state = 'running' and r.kind = k.name) as running
    from job_kinds k where k.is_paused = 0 and k.name in (${list(kinds)})`.execute(tx);
  return rows
    .flatMap(({ kind, priority, running }) => (priority === null ? [] : [{ kind, priority, running }]))
    .toSorted((left, right) => right.priority - left.priority || (left.kind < right.kind ? -1 : 1));
}

/** The next lower priority at which the kind has a job to be taken. */
export async function findLowerPriority(tx: Tx, kind: string, than: number): Promise<number | undefined> {
  const row = await tx
    .selectFrom("jobs")
    .select("priority")
    .where("state", "=", sql.lit("queued"))
    .where("kind", "=", kind)
    .where("priority", "<", than)
    .orderBy("priority", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.priority;
}

/**
 * The namespaces that have a job of this kind and priority to be taken, in the order of their names, from the one after `after` on and then from the
 * beginning; at most `limit`. However many jobs each has: the index is jumped through from name to name.
 */
export async function listNamespacesInTurn(
  tx: Tx,
  lane: { readonly kind: string; readonly priority: number; readonly after: string; readonly limit: number },
): Promise<readonly string[]> {
  const behind = await jump(tx, lane, sql`j.namespace > ${lane.after}`, sql``);
  if (behind.length >= lane.limit) return behind;
  const before = await jump(
    tx,
    { ...lane, limit: lane.limit - behind.length },
    sql`true`,
    sql`and j.namespace <= ${lane.after}`,
  );
  return [...behind, ...before];
}

async function jump(
  tx: Tx,
  lane: { readonly kind: string; readonly priority: number; readonly limit: number },
  start: RawBuilder<unknown>,
  end: RawBuilder<unknown>,
): Promise<readonly string[]> {
  const inLane = sql`j.state = 'queued' and j.kind = ${lane.kind} and j.priority = ${lane.priority} ${end}`;
  const { rows } = await sql<{ namespace: string }>`
    with recursive turns (namespace) as (
      select * from (select j.namespace from jobs j where ${inLane} and ${start} order by j.namespace limit 1) first_turn
      union all
      select (select j.namespace from jobs j where ${inLane} and j.namespace > turns.namespace order by j.namespace limit 1)
      from turns where turns.namespace is not null
    )
    select namespace from turns where namespace is not null limit ${lane.limit}`.execute(tx);
  return rows.map(({ namespace }) => namespace);
}

/** The oldest jobs of each namespace, at most `each`, in the order of the namespaces. */
export async function listHeads(
  tx: Tx,
  lane: {
    readonly kind: string;
    readonly priority: number;
    readonly namespaces: readonly string[];
    readonly each: number;
  },
): Promise<readonly { readonly id: number; readonly namespace: string }[]> {
  const parts = lane.namespaces.map(
    (namespace) => sql`select * from (select id, namespace from jobs
      where state = 'queued' and kind = ${lane.kind} and priority = ${lane.priority} and namespace = ${namespace}
      order by id limit ${lane.each}) heads`,
  );
  if (parts.length === 0) return [];
  return (await sql<{ id: number; namespace: string }>`${sql.join(parts, sql` union all `)}`.execute(tx))
    .rows;
}

/** Begins them; those that are no longer to be taken are left out. In no order. */
export async function beginJobs(
  tx: Tx,
  ids: readonly number[],
  lease: { readonly holder: string; readonly nowMs: number; readonly untilMs: number },
): Promise<readonly Job[]> {
  if (ids.length === 0) return [];
  const free = tx
    .selectFrom("jobs")
    .select("id")
    .where("id", "in", ids)
    .where("state", "=", sql.lit("queued"));
  const rows = await tx
    .updateTable("jobs")
    .set((eb) => ({
      state: "running",
      queued_key: null,
      lease_holder: lease.holder,
      lease_until_ms: lease.untilMs,
      fence: eb("fence", "+", 1),
      attempts: eb("attempts", "+", 1),
      started_at_ms: lease.nowMs,
      is_cancel_wanted: 0,
      progress_done: 0,
      progress_total: null,
      progress_note: null,
    }))
    .where("id", "in", () => skipLocked(tx, forUpdate(tx, free)))
    .where("state", "=", sql.lit("queued"))
    .returning(jobColumns)
    .execute();
  return rows.map(toJob);
}

function list(names: readonly string[]): RawBuilder<unknown> {
  return sql.join(names);
}
