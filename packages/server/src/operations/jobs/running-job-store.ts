import { type RawBuilder, sql } from "kysely";
import type { Tx } from "../../storage/database/database.ts";
import { engineOf } from "../../storage/database/engine-of.ts";
import { forNoKeyUpdate } from "../../storage/database/row-locks.ts";
import { commitTogether, type Statement, sendTogether } from "../../storage/database/send-together.ts";

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

/**
 * Keeps what this holder runs for another while; a lease that ends later than that, as it was taken since, stays. What is not among those told has been lost, or
 * was ended.
 */
export async function renewLeases(
  tx: Tx,
  holder: string,
  ids: readonly number[],
  untilMs: number,
): Promise<readonly Renewed[]> {
  return await tx
    .updateTable("jobs")
    .set({
      lease_until_ms: sql<number>`case when lease_until_ms > ${untilMs} then lease_until_ms else ${untilMs} end`,
    })
    .where("id", "in", ids)
    .where("lease_holder", "=", holder)
    .where("state", "=", sql.lit("running"))
    .returning(["id", "fence", "is_cancel_wanted"])
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

/** How far a job has come. */
export interface JobProgress {
  readonly done: number;
  readonly total: number | undefined;
  readonly note: string | undefined;
}

/** What an attempt has to say: how far it has come, how it ended, or both. */
export interface JobNote {
  readonly job: HeldJob;
  readonly progress: JobProgress | undefined;
  readonly ending: Ending | undefined;
}

/**
 * Writes down what attempts say, all by one statement but for those that are to be tried again; tells the ids of those that are still ours. Nothing else
 * is changed. One note a job; texts without NUL. `thenCommit` when it is the last of its transaction, which saves a round trip.
 */
export async function writeNotes(
  tx: Tx,
  notes: readonly JobNote[],
  nowMs: number,
  thenCommit = false,
): Promise<ReadonlySet<number>> {
  const text = JSON.stringify(notes.map(asRow));
  const isPostgres = engineOf(tx) === "postgres";
  const each = isPostgres
    ? sql`json_array_elements(${text}::json) as each (value)`
    : sql`json_each(${text}) as each`;
  const whole = (name: string) => sql`cast(value ->> ${sql.lit(name)} as bigint) as ${sql.ref(name)}`;
  const word = (name: string) => sql`value ->> ${sql.lit(name)} as ${sql.ref(name)}`;
  const fields = sql.join([
    ...["id", "fence", "news", "done", "total"].map(whole),
    ...["note", "state", "result", "error"].map(word),
  ]);
  // Rows are found by the primary key whatever the planner thinks of a list of unknown length.
  const ids = sql`select id from said`;
  const query = sql<{ id: number }>`
    with said as (select ${fields} from ${each})
    update jobs set
      state = coalesce(said.state, jobs.state),
      lease_holder = case when said.state is null then jobs.lease_holder end,
      lease_until_ms = case when said.state is null then jobs.lease_until_ms end,
      finished_at_ms = case when said.state is null then jobs.finished_at_ms else ${nowMs} end,
      result = case when said.state = 'done' then said.result else jobs.result end,
      error = case when said.state is null then jobs.error else said.error end,
      progress_done = case when said.news = 1 then said.done else jobs.progress_done end,
      progress_total = case when said.news = 1 then said.total else jobs.progress_total end,
      progress_note = case when said.news = 1 then said.note else jobs.progress_note end
    from said
    where jobs.id ${isPostgres ? sql`= any(array(${ids}))` : sql`in (${ids})`}
      and jobs.id = said.id and jobs.fence = said.fence and jobs.state || '' = 'running'
    returning jobs.id`;
  const statement: Statement<{ id: number }> = { compile: () => query.compile(tx) };
  const again = notes.filter(({ ending }) => ending?.kind === "again");
  const isLast = thenCommit && again.length === 0;
  const [rows] = await (isLast ? commitTogether(tx, [statement]) : sendTogether(tx, [statement]));
  const ours = new Set(rows.map(({ id }) => id));
  for (const { job, ending } of notes) {
    if (ending?.kind === "again" && !(await queueAgain(tx, job, ending, nowMs))) ours.delete(job.id);
  }
  return ours;
}

function asRow({ job, progress, ending }: JobNote): object {
  const ended = ending === undefined || ending.kind === "again" ? undefined : ending;
  return {
    id: job.id,
    fence: job.fence,
    ...(progress === undefined ? {} : { ...progress, news: 1 }),
    state: ended?.kind,
    result: ended?.kind === "done" ? ended.result : undefined,
    error: ended?.kind === "done" ? undefined : ended?.error,
  };
}

/**
 * Another attempt; false = the job is not ours any more. When another one of the same unique key waits by now, that one does the work and this one ends; so
 * does one that somebody has cancelled meanwhile, which whoever ran it had not heard of.
 */
async function queueAgain(
  tx: Tx,
  job: HeldJob,
  ending: Ending & { readonly kind: "again" },
  nowMs: number,
): Promise<boolean> {
  const isDue = ending.runAtMs <= nowMs;
  const twin = sql`exists (select 1 from jobs twin where twin.kind = jobs.kind and twin.queued_key = jobs.unique_key)`;
  const ifOver = <T>(then: RawBuilder<T>, otherwise: RawBuilder<T>) =>
    sql<T>`case when is_cancel_wanted = 1 or ${twin} then ${then} else ${otherwise} end`;
  const row = await tx
    .updateTable("jobs")
    .set((eb) => ({
      state: ifOver(sql<string>`'cancelled'`, isDue ? sql<string>`'queued'` : sql<string>`'waiting'`),
      queued_key: ifOver(sql<string | null>`null`, sql<string | null>`unique_key`),
      finished_at_ms: ifOver(sql<number | null>`cast(${nowMs} as bigint)`, sql<number | null>`null`),
      run_at_ms: ending.runAtMs,
      error: sql<
        string | null
      >`case when is_cancel_wanted = 1 then 'cancelled' else ${ending.error ?? null} end`,
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
