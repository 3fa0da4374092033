import { sql } from "kysely";
import { type Job, type JobState, jobColumns, jobStates, toJob } from "../../activity/jobs/job-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";

/**
 * Ends a job that waits; one that runs is told to stop at the next beat of whoever runs it. Undefined = there is none, or it has ended. May be repeated.
 */
export async function cancelJob(tx: Tx, id: number, nowMs: number): Promise<Job | undefined> {
  const row = await tx
    .updateTable("jobs")
    .set({
      state: sql`case when state = 'running' then 'running' else 'cancelled' end`,
      queued_key: null,
      is_cancel_wanted: 1,
      finished_at_ms: sql`case when state = 'running' then null else cast(${nowMs} as bigint) end`,
    })
    .where("id", "=", id)
    .where("state", "in", ["waiting", "queued", "running"])
    .returning(jobColumns)
    .executeTakeFirst();
  return row === undefined ? undefined : toJob(row);
}

/**
 * Lets a dead letter, or what was cancelled, be tried again from the beginning; one that waits for its next try is tried at once. Undefined = there is none
 * such, or another one of its unique key waits already.
 */
export async function retryJob(tx: Tx, id: number, nowMs: number): Promise<Job | undefined> {
  const row = await tx
    .updateTable("jobs")
    .set({
      state: "queued",
      queued_key: sql`unique_key`,
      run_at_ms: nowMs,
      attempts: 0,
      is_cancel_wanted: 0,
      finished_at_ms: null,
    })
    .where("id", "=", id)
    .where("state", "in", ["failed", "cancelled", "waiting"])
    .where(
      sql<boolean>`not exists (select 1 from jobs twin where twin.kind = jobs.kind and twin.queued_key = jobs.unique_key and twin.id <> jobs.id)`,
    )
    .returning(jobColumns)
    .executeTakeFirst();
  return row === undefined ? undefined : toJob(row);
}

export type LivingState = Exclude<JobState, "done" | "cancelled">;
const livingStates = jobStates.filter(
  (state): state is LivingState => state !== "done" && state !== "cancelled",
);

export interface JobCounts {
  readonly kind: string;
  readonly counts: Readonly<Record<LivingState, number>>;
  /** Since when the job has been due that has been so for the longest; undefined = none is. */
  readonly oldestDueMs: number | undefined;
}

/** What has not ended well, by kind. Reads as many rows as it counts; what is done is not looked at. */
export async function countJobs(db: Queryable): Promise<readonly JobCounts[]> {
  const { rows } = await sql<{ kind: string; state: LivingState; count: number; oldest: number | null }>`
    select kind, state, count(*) as count, case when state = 'queued' then min(run_at_ms) end as oldest
      from jobs where state = 'queued' group by kind, state
    union all select kind, state, count(*), null from jobs where state = 'waiting' group by kind, state
    union all select kind, state, count(*), null from jobs where state = 'running' group by kind, state
    union all select kind, state, count(*), null from jobs where state = 'failed' group by kind, state`.execute(
    db,
  );
  return [...Map.groupBy(rows, ({ kind }) => kind)].map(([kind, ofKind]) => {
    const countOf = (state: LivingState) => ofKind.find((row) => row.state === state)?.count ?? 0;
    return {
      kind,
      counts: {
        waiting: countOf("waiting"),
        queued: countOf("queued"),
        running: countOf("running"),
        failed: countOf("failed"),
      },
      oldestDueMs: ofKind.find(({ state }) => state === "queued")?.oldest ?? undefined,
    };
  });
}

export { livingStates };

/** Forgets jobs that ended before then; tells how many. Bounded, may be repeated. One that is retried at this moment stays. */
export async function pruneJobs(
  tx: Tx,
  before: {
    readonly doneMs: number;
    readonly scheduledMs: number;
    readonly failedMs: number;
    readonly limit: number;
  },
): Promise<number> {
  const done = await tx
    .deleteFrom("jobs")
    .where("id", "in", (query) =>
      query
        .selectFrom("jobs")
        .select("id")
        .where("state", "in", [sql.lit("done"), sql.lit("cancelled")])
        .where("finished_at_ms", "<", Math.max(before.doneMs, before.scheduledMs))
        .where(({ eb, or }) => or([eb("finished_at_ms", "<", before.doneMs), eb("slot_ms", "is not", null)]))
        .orderBy("finished_at_ms")
        .limit(before.limit),
    )
    // Again, as below: after the wait for a row only what is outside of the list is looked at anew.
    .where("finished_at_ms", "<", Math.max(before.doneMs, before.scheduledMs))
    .executeTakeFirst();
  const failed = await tx
    .deleteFrom("jobs")
    .where("id", "in", (query) =>
      query
        .selectFrom("jobs")
        .select("id")
        .where("state", "=", sql.lit("failed"))
        .where("finished_at_ms", "<", before.failedMs)
        .orderBy("finished_at_ms")
        .limit(before.limit),
    )
    .where("finished_at_ms", "<", before.failedMs)
    .executeTakeFirst();
  return Number(done.numDeletedRows + failed.numDeletedRows);
}
