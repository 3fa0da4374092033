import { sql } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { engineOf } from "../../storage/database/engine-of.ts";
import { type NoticeTopic, noticeChannel } from "../../storage/database/notice-topics.ts";
import type { JobDraft } from "./draft-job.ts";

const jobsTopic: NoticeTopic = "jobs";

export const jobStates = ["waiting", "queued", "running", "done", "failed", "cancelled"] as const;
/** See README.md. 'failed' = a dead letter. */
export type JobState = (typeof jobStates)[number];

export interface Job {
  readonly id: number;
  readonly kind: string;
  readonly namespace: string;
  readonly priority: number;
  /** JSON. */
  readonly payload: string;
  readonly state: JobState;
  readonly uniqueKey: string | undefined;
  readonly runAtMs: number;
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly fence: number;
  readonly leaseHolder: string | undefined;
  readonly leaseUntilMs: number | undefined;
  readonly isCancelWanted: boolean;
  readonly progress: {
    readonly done: number;
    readonly total: number | undefined;
    readonly note: string | undefined;
  };
  /** JSON. */
  readonly result: string | undefined;
  readonly error: string | undefined;
  readonly slotMs: number | undefined;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly startedAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
}

export const jobColumns = [
  "id",
  "kind",
  "namespace",
  "priority",
  "payload",
  "state",
  "unique_key",
  "run_at_ms",
  "attempts",
  "max_attempts",
  "fence",
  "lease_holder",
  "lease_until_ms",
  "is_cancel_wanted",
  "progress_done",
  "progress_total",
  "progress_note",
  "result",
  "error",
  "slot_ms",
  "created_at_ms",
  "created_by",
  "started_at_ms",
  "finished_at_ms",
] as const;

/**
 * Queues it; tells its id. When one of the same unique key waits already there is no second: that one's id is told, and it is moved forward where the
 * new one would have come earlier. On PostgreSQL, whoever listens is told at the commit.
 */
export async function insertJob(
  tx: Tx,
  draft: JobDraft,
  now: { readonly nowMs: number; readonly createdBy: string; readonly slotMs?: number | undefined },
): Promise<number> {
  const { nowMs } = now;
  const runAtMs = draft.runAtMs ?? nowMs;
  const state = runAtMs <= nowMs ? "queued" : "waiting";
  const row = await tx
    .insertInto("jobs")
    .values({
      kind: draft.kind,
      namespace: draft.namespace,
      priority: draft.priority,
      payload: draft.payload,
      state,
      unique_key: draft.uniqueKey ?? null,
      queued_key: draft.uniqueKey ?? null,
      run_at_ms: runAtMs,
      attempts: 0,
      max_attempts: draft.maxAttempts,
      fence: 0,
      lease_holder: null,
      lease_until_ms: null,
      is_cancel_wanted: 0,
      progress_done: 0,
      progress_total: null,
      progress_note: null,
      result: null,
      error: null,
      slot_ms: now.slotMs ?? null,
      created_at_ms: nowMs,
      created_by: now.createdBy,
      started_at_ms: null,
      finished_at_ms: null,
    })
    .onConflict((conflict) =>
      conflict.columns(["kind", "queued_key"]).doUpdateSet({
        run_at_ms: sql`case when jobs.run_at_ms > excluded.run_at_ms then excluded.run_at_ms else jobs.run_at_ms end`,
        priority: sql`case when jobs.priority < excluded.priority then excluded.priority else jobs.priority end`,
        state: sql`case when excluded.state = 'queued' then 'queued' else jobs.state end`,
      }),
    )
    .returning("id")
    .$if(engineOf(tx) === "postgres" && state === "queued", (query) =>
      query.returning(sql`pg_notify(${sql.lit(noticeChannel)}, ${sql.lit(jobsTopic)})`.as("told")),
    )
    .executeTakeFirstOrThrow();
  return row.id;
}

export async function findJob(db: Queryable, id: number): Promise<Job | undefined> {
  const row = await db.selectFrom("jobs").select(jobColumns).where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toJob(row);
}

/** The last of a kind that was done. */
export async function findLastDone(db: Queryable, kind: string): Promise<Job | undefined> {
  const row = await db
    .selectFrom("jobs")
    .select(jobColumns)
    .where("state", "=", sql.lit("done"))
    .where("kind", "=", kind)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? undefined : toJob(row);
}

/** Whether any instance that runs jobs has ever said that it knows this kind. */
export async function isKindKnown(db: Queryable, kind: string): Promise<boolean> {
  const query = db.selectFrom("job_kinds").select("name").where("name", "=", kind);
  return (await query.executeTakeFirst()) !== undefined;
}

export interface JobFilter {
  readonly kind: string | undefined;
  readonly state: JobState | undefined;
  readonly namespace: string | undefined;
}

/** Newest first, those before `last`. */
export async function listJobs(
  db: Queryable,
  page: JobFilter & { readonly last: number | undefined; readonly limit: number },
): Promise<readonly Job[]> {
  let query = db.selectFrom("jobs").select(jobColumns).orderBy("id", "desc").limit(page.limit);
  if (page.kind !== undefined) query = query.where("kind", "=", page.kind);
  if (page.state !== undefined) query = query.where("state", "=", sql.lit(page.state));
  if (page.namespace !== undefined) query = query.where("namespace", "=", page.namespace);
  if (page.last !== undefined) query = query.where("id", "<", page.last);
  return (await query.execute()).map(toJob);
}

/** A row as its columns are named; exported for the stores that change jobs. */
export function toJob(row: {
  readonly id: number;
  readonly kind: string;
  readonly namespace: string;
  readonly priority: number;
  readonly payload: string;
  readonly state: string;
  readonly unique_key: string | null;
  readonly run_at_ms: number;
  readonly attempts: number;
  readonly max_attempts: number;
  readonly fence: number;
  readonly lease_holder: string | null;
  readonly lease_until_ms: number | null;
  readonly is_cancel_wanted: number;
  readonly progress_done: number;
  readonly progress_total: number | null;
  readonly progress_note: string | null;
  readonly result: string | null;
  readonly error: string | null;
  readonly slot_ms: number | null;
  readonly created_at_ms: number;
  readonly created_by: string;
  readonly started_at_ms: number | null;
  readonly finished_at_ms: number | null;
}): Job {
  return {
    id: row.id,
    kind: row.kind,
    namespace: row.namespace,
    priority: row.priority,
    payload: row.payload,
    state: jobStates.find((state) => state === row.state) ?? "failed",
    uniqueKey: row.unique_key ?? undefined,
    runAtMs: row.run_at_ms,
    attempts: row.attempts,
    maxAttempts: row.max_attempts,
    fence: row.fence,
    leaseHolder: row.lease_holder ?? undefined,
    leaseUntilMs: row.lease_until_ms ?? undefined,
    isCancelWanted: row.is_cancel_wanted === 1,
    progress: {
      done: row.progress_done,
      total: row.progress_total ?? undefined,
      note: row.progress_note ?? undefined,
    },
    result: row.result ?? undefined,
    error: row.error ?? undefined,
    slotMs: row.slot_ms ?? undefined,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by,
    startedAtMs: row.started_at_ms ?? undefined,
    finishedAtMs: row.finished_at_ms ?? undefined,
  };
}
