import { type RawBuilder, sql } from "kysely";
import { type Job, jobColumns, toJob } from "../../activity/jobs/job-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { engineOf } from "../../storage/database/engine-of.ts";
import { forUpdate, skipLocked } from "../../storage/database/row-locks.ts";
import { type Statement, sendTogether } from "../../storage/database/send-together.ts";

/** Any number that nobody else uses for an advisory lock in this database. */
const claimLock = 7_203_446_178;
/** A process that stops answering in the middle of a claim must not keep the others from theirs. */
const idleLimitMs = 5_000;

/** What there is to be done by a claim. */
export interface Work {
  readonly isJobDue: boolean;
  readonly isAnyAbandoned: boolean;
  readonly isScheduleDue: boolean;
  /** Those that do not rest and have a job to be taken, the most urgent first. */
  readonly ready: readonly ReadyKind[];
}

export interface ReadyKind {
  readonly kind: string;
  /** Of its most urgent job. */
  readonly priority: number;
  /** How many run on all instances. */
  readonly running: number;
}

interface LookRow {
  readonly kind: string;
  readonly priority: number | null;
  readonly running: number;
  readonly due: unknown;
  readonly abandoned: unknown;
  readonly scheduled: unknown;
}

/**
 * Whether there is anything for which a claim is worth while; undefined = nothing. One statement, which reads the first entries of a few indexes: each
 * part asks for the first in an index's order, so that a planner that thinks most jobs are alike cannot prefer to read through those that are done.
 */
export async function findWork(
  db: Queryable,
  nowMs: number,
  kinds: readonly string[],
): Promise<Work | undefined> {
  return workOf((await sendTogether(db, [lookStatement(db, nowMs, kinds)]))[0]);
}

function lookStatement(db: Queryable, nowMs: number, kinds: readonly string[]): Statement<LookRow> {
  const query = sql<LookRow>`
    select k.name as kind,
      case when k.is_paused = 0 then
        (select j.priority from jobs j where j.state = 'queued' and j.kind = k.name order by j.priority desc limit 1)
      end as priority,
      (select count(*) from jobs r where r.state = 'running' and r.kind = k.name) as running,
      coalesce((select run_at_ms from jobs where state = 'waiting' order by run_at_ms limit 1) <= ${nowMs}, false) as due,
      exists (select 1 from jobs where state = 'running' and lease_until_ms <= ${nowMs}) as abandoned,
      coalesce(k.is_paused = 0 and k.next_slot_ms <= ${nowMs}, false) as scheduled
    from job_kinds k where k.name in (${sql.join(kinds)})`;
  return { compile: () => query.compile(db) };
}

function workOf(rows: readonly LookRow[]): Work | undefined {
  const ready = rows
    .flatMap(({ kind, priority, running }) => (priority === null ? [] : [{ kind, priority, running }]))
    .toSorted((left, right) => right.priority - left.priority || (left.kind < right.kind ? -1 : 1));
  const work = {
    isJobDue: rows.some(({ due }) => Boolean(due)),
    isAnyAbandoned: rows.some(({ abandoned }) => Boolean(abandoned)),
    isScheduleDue: rows.some(({ scheduled }) => Boolean(scheduled)),
    ready,
  };
  return work.isJobDue || work.isAnyAbandoned || work.isScheduleDue || ready.length > 0 ? work : undefined;
}

/**
 * One process at a time claims, so that limits and turns hold for all processes together; and looks once it is alone, in the same round trip. "busy" = another
 * one is at it. On SQLite a write transaction is alone anyway.
 */
export async function takeClaimTurn(
  tx: Tx,
  nowMs: number,
  kinds: readonly string[],
): Promise<Work | "busy" | undefined> {
  if (engineOf(tx) === "sqlite") return findWork(tx, nowMs, kinds);
  const lock = sql<{ taken: boolean | number }>`select pg_try_advisory_xact_lock(${claimLock}) as taken,
    set_config('idle_in_transaction_session_timeout', ${String(idleLimitMs)}, true)`;
  const [taken, rows] = await sendTogether(tx, [
    { compile: () => lock.compile(tx) },
    lookStatement(tx, nowMs, kinds),
  ]);
  return taken[0]?.taken ? workOf(rows) : "busy";
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

/** The jobs of one kind and one priority that may be taken. */
export interface Lane {
  readonly kind: string;
  readonly priority: number;
}

export interface Lease {
  readonly holder: string;
  readonly nowMs: number;
  readonly untilMs: number;
}

export interface Taken {
  /** In no order. */
  readonly jobs: readonly Job[];
  /** The next lower priority at which the kind has a job to be taken; unknown when this lane gave none. */
  readonly lowerPriority: number | undefined;
}

/**
 * Begins so many jobs of the lane, by one statement, while namespaces take turns in the order of their names, beginning behind `after`; of each the oldest
 * first. What it reads does not grow with the number of jobs: the index is jumped through from name to name. Jobs that somebody else holds at this
 * moment are left out.
 */
export async function takeJobs(
  tx: Tx,
  lane: Lane,
  take: { readonly after: string; readonly wanted: number; readonly lease: Lease },
): Promise<Taken> {
  const { lease } = take;
  const isPostgres = engineOf(tx) === "postgres";
  // Rows are to be found by their ids. A planner would prefer the index of all that are queued, if it thinks them few, so the state is asked in a way that no
  // index knows; and "in" a list from a recursive query, which it thinks long, would make it read the whole table.
  const among = (query: RawBuilder<unknown>) =>
    isPostgres ? sql`= any(array(${query}))` : sql`in (${query})`;
  const free = sql`select id from jobs where id ${among(chosenIds(lane, take))} and state || '' = 'queued'`;
  const held = isPostgres ? sql`${free} for update skip locked` : free;
  const { rows } = await sql<Parameters<typeof toJob>[0] & { readonly lower: number | null }>`
    update jobs set state = 'running', queued_key = null, lease_holder = ${lease.holder}, lease_until_ms = ${lease.untilMs},
      fence = fence + 1, attempts = attempts + 1, started_at_ms = ${lease.nowMs}, is_cancel_wanted = 0,
      progress_done = 0, progress_total = null, progress_note = null
    where id ${among(held)}
    returning ${sql.join(jobColumns.map((name) => sql.ref(name)))},
      (select l.priority from jobs l where l.state = 'queued' and l.kind = ${lane.kind} and l.priority < ${lane.priority}
        order by l.priority desc limit 1) as lower`.execute(tx);
  return { jobs: rows.map(toJob), lowerPriority: rows[0]?.lower ?? undefined };
}

/**
 * The ranges of namespaces look odd for what could be an equality: only so is the order not one that another index, the one of ids, has as well,
 * in which all jobs that are done come first.
 */
function chosenIds(
  lane: Lane,
  { after, wanted }: { readonly after: string; readonly wanted: number },
): RawBuilder<unknown> {
  const inLane = sql`j.state = 'queued' and j.kind = ${lane.kind} and j.priority = ${lane.priority}`;
  const nextName = (from: RawBuilder<unknown>) =>
    sql`(select j.namespace from jobs j where ${inLane} and ${from} order by j.namespace limit 1)`;
  const firstOf = (name: RawBuilder<unknown>, from: RawBuilder<unknown>) =>
    sql`(select j.id from jobs j where ${inLane} and ${from} and j.namespace <= ${name} order by j.namespace, j.id limit 1)`;
  return sql`
    with recursive
    behind (namespace, place) as (
      select ${nextName(sql`j.namespace > ${after}`)}, 1
      union all
      select ${nextName(sql`j.namespace > behind.namespace`)}, place + 1 from behind where namespace is not null and place < ${wanted}
    ),
    before (namespace, place) as (
      select ${nextName(sql`j.namespace <= ${after}`)}, 1 + (select count(*) from behind where namespace is not null)
      union all
      select ${nextName(sql`j.namespace > before.namespace and j.namespace <= ${after}`)}, place + 1
      from before where namespace is not null and place < ${wanted}
    ),
    turns (namespace, place) as (
      select namespace, place from behind where namespace is not null
      union all
      select namespace, place from before where namespace is not null and place <= ${wanted}
    ),
    heads (namespace, place, id, round) as (
      select namespace, place, ${firstOf(sql`turns.namespace`, sql`j.namespace >= turns.namespace`)}, 1 from turns
      union all
      select namespace, place, ${firstOf(sql`heads.namespace`, sql`(j.namespace, j.id) > (heads.namespace, heads.id)`)}, round + 1 from heads
      where id is not null and round < ${wanted} and (select count(*) from turns) < ${wanted}
    )
    select id from heads where id is not null order by round, place limit ${wanted}`;
}
