import { type RawBuilder, sql } from "kysely";
import type { Tx } from "../../storage/database/database.ts";
import { forNoKeyUpdate } from "../../storage/database/row-locks.ts";

/** A job as whoever runs it knows it. Once the fence has moved on, nothing here changes the row any more. */
export interface HeldJob {
  readonly id: number;
  readonly fence: number;
}

/** Keeps the job from being taken by anybody until the transaction ends; false = it is not ours any more. */
export async function holdJob(tx: Tx, job: HeldJob): Promise<boolean> {
  const query = tx
    .selectFrom("jobs")
    .select("id")
    .where("id", "=", job.id)
    .where("fence", "=", job.fence)
    .where("state", "=", sql.lit("running"));
  return (await forNoKeyUpdate(tx, query).executeTakeFirst()) !== undefined;
}

export interface Renewed {
  readonly id: number;
  readonly fence: number;
  readonly is_cancel_wanted: number;
}

/** Keeps what this holder runs for another while. What is not among those told has been lost, or was ended. */
export async function renewLeases(
  tx: Tx,
  holder: string,
  ids: readonly number[],
  untilMs: number,
): Promise<readonly Renewed[]> {
  return await tx
    .updateTable("jobs")
    .set({ lease_until_ms: untilMs })
    .where("id", "in", ids)
    .where("lease_holder", "=", holder)
    .where("state", "=", sql.lit("running"))
    .returning(["id", "fence", "is_cancel_wanted"])
    .execute();
}

export async function writeProgress(
  tx: Tx,
  job: HeldJob,
  progress: { readonly done: number; readonly total: number | undefined; readonly note: string | undefined },
): Promise<void> {
  await tx
    .updateTable("jobs")
    .set({
      progress_done: progress.done,
      progress_total: progress.total ?? null,
      progress_note: progress.note ?? null,
    })
    .where("id", "=", job.id)
    .where("fence", "=", job.fence)
    .where("state", "=", sql.lit("running"))
    .execute();
}

/** How an attempt ended. */
export type Ending =
  | { readonly kind: "done"; readonly result: string | undefined }
  | { readonly kind: "failed" | "cancelled"; readonly error: string }
  /** Another attempt, not before then. `isCounted` false = this one was none. */
  | {
      readonly kind: "again";
      readonly error: string | undefined;
      readonly runAtMs: number;
      readonly isCounted: boolean;
    };

/** Writes down how an attempt ended; false = the job is not ours any more, and nothing is changed. */
export async function endJob(tx: Tx, job: HeldJob, ending: Ending, nowMs: number): Promise<boolean> {
  if (ending.kind === "again") return queueAgain(tx, job, ending, nowMs);
  const row = await tx
    .updateTable("jobs")
    .set({
      state: ending.kind,
      lease_holder: null,
      lease_until_ms: null,
      finished_at_ms: nowMs,
      ...(ending.kind === "done" ? { result: ending.result ?? null, error: null } : { error: ending.error }),
    })
    .where("id", "=", job.id)
    .where("fence", "=", job.fence)
    .where("state", "=", sql.lit("running"))
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

/** When another one of the same unique key waits by now, that one does the work and this one ends. */
async function queueAgain(
  tx: Tx,
  job: HeldJob,
  ending: Ending & { readonly kind: "again" },
  nowMs: number,
): Promise<boolean> {
  const isDue = ending.runAtMs <= nowMs;
  const twin = sql`exists (select 1 from jobs twin where twin.kind = jobs.kind and twin.queued_key = jobs.unique_key)`;
  const ifTwin = <T>(then: RawBuilder<T>, otherwise: RawBuilder<T>) =>
    sql<T>`case when ${twin} then ${then} else ${otherwise} end`;
  const row = await tx
    .updateTable("jobs")
    .set((eb) => ({
      state: ifTwin(sql<string>`'cancelled'`, isDue ? sql<string>`'queued'` : sql<string>`'waiting'`),
      queued_key: ifTwin(sql<string | null>`null`, sql<string | null>`unique_key`),
      finished_at_ms: ifTwin(sql<number | null>`cast(${nowMs} as bigint)`, sql<number | null>`null`),
      run_at_ms: ending.runAtMs,
      error: ending.error ?? null,
      attempts: ending.isCounted ? eb.ref("attempts") : eb("attempts", "-", 1),
      lease_holder: null,
      lease_until_ms: null,
    }))
    .where("id", "=", job.id)
    .where("fence", "=", job.fence)
    .where("state", "=", sql.lit("running"))
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

/** Gives everything that is said to run to whoever comes: for when nobody else can be there. */
export async function endLeases(tx: Tx): Promise<void> {
  await tx.updateTable("jobs").set({ lease_until_ms: 0 }).where("state", "=", sql.lit("running")).execute();
}
