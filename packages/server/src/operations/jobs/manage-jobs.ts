import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { draftJob } from "../../activity/jobs/draft-job.ts";
import { enqueueJob } from "../../activity/jobs/enqueue-job.ts";
import type { JobKind } from "../../activity/jobs/job-kind.ts";
import { findJob, type Job, type JobFilter, listJobs } from "../../activity/jobs/job-store.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Database } from "../../storage/database/database.ts";
import { type KindRow, listKinds, setPaused } from "./job-kind-store.ts";
import { cancelJob, countJobs, type JobCounts, retryJob } from "./job-management-store.ts";
import { scheduledKey } from "./run-schedules.ts";

export type { Job };

export interface JobManagementDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly kinds: ReadonlyMap<string, JobKind>;
  readonly wake: () => void;
}

export async function listJobPage(
  deps: JobManagementDeps,
  page: JobFilter & { readonly last: number | undefined; readonly limit: number },
): Promise<{ readonly jobs: readonly Job[]; readonly hasMore: boolean }> {
  const rows = await listJobs(deps.database.read, { ...page, limit: page.limit + 1 });
  return { jobs: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** `NOT_FOUND` when there is none of that id, or it has been forgotten. */
export async function getJob(deps: JobManagementDeps, id: number): Promise<Job> {
  const job = await findJob(deps.database.read, id);
  if (job === undefined) throw new AppError("NOT_FOUND", "there is no such job");
  return job;
}

/** `NOT_FOUND` when there is none of that id, `CONFLICT` when it has ended. One that runs ends a few seconds later. May be repeated. */
export function cancel(deps: JobManagementDeps, source: AuditSource, id: number): Promise<Job> {
  return change(
    deps,
    source,
    id,
    "job.cancel",
    cancelJob,
    (job) => `the job has ended already: it is ${job.state}`,
  );
}

/**
 * Lets a job be tried again that failed for good, was cancelled, or waits for its next try. `NOT_FOUND` when there is none of that id; `CONFLICT` when it is
 * queued, runs or is done, or another one for the same thing waits.
 */
export async function retry(deps: JobManagementDeps, source: AuditSource, id: number): Promise<Job> {
  const job = await change(deps, source, id, "job.retry", retryJob, whyNoRetry);
  deps.wake();
  return job;
}

async function change(
  deps: JobManagementDeps,
  source: AuditSource,
  id: number,
  action: string,
  work: typeof cancelJob,
  whyNot: (job: Job) => string,
): Promise<Job> {
  const nowMs = deps.clock.nowMs();
  const changed = await deps.database.transaction(async (tx) => {
    const job = await work(tx, id, nowMs);
    if (job === undefined) return undefined;
    const { kind, namespace, attempts } = job;
    await recordAudit(tx, source, nowMs, {
      action,
      target: `job ${id}`,
      namespace: namespace === "" ? undefined : namespace,
      detail: { kind, attempts },
    });
    return job;
  });
  if (changed !== undefined) return changed;
  const found = await findJob(deps.database.read, id);
  if (found === undefined) throw new AppError("NOT_FOUND", "there is no such job");
  throw new AppError("CONFLICT", whyNot(found));
}

function whyNoRetry({ state }: Job): string {
  return state === "queued" || state === "running" || state === "done"
    ? `the job is ${state}: only one that failed, was cancelled or waits for its next try can be tried again`
    : "another job for the same thing waits already";
}

/** A kind as an operator sees it. `kind` undefined = no version of the program that runs here knows it. */
export interface DescribedKind {
  readonly name: string;
  readonly kind: JobKind | undefined;
  readonly row: KindRow;
  readonly jobs: JobCounts;
}

export async function describeKinds(deps: JobManagementDeps): Promise<readonly DescribedKind[]> {
  const { read } = deps.database;
  const counts = await countJobs(read);
  return (await listKinds(read)).map((row) => ({
    name: row.name,
    kind: deps.kinds.get(row.name),
    row,
    jobs: counts.find(({ kind }) => kind === row.name) ?? {
      kind: row.name,
      counts: { waiting: 0, queued: 0, running: 0, failed: 0 },
      oldestDueMs: undefined,
    },
  }));
}

/** Jobs of a kind that rests are not begun, on any instance; those that run end as ever. `NOT_FOUND` for a kind that is none. May be repeated. */
export async function pauseKind(
  deps: JobManagementDeps,
  source: AuditSource,
  name: string,
  isPaused: boolean,
): Promise<DescribedKind> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    if (!(await setPaused(tx, name, isPaused)))
      throw new AppError("NOT_FOUND", "there is no such kind of job");
    const action = isPaused ? "job-kind.pause" : "job-kind.resume";
    await recordAudit(tx, source, nowMs, { action, target: `job kind ${name}` });
  });
  deps.wake();
  const described = (await describeKinds(deps)).find((kind) => kind.name === name);
  if (described === undefined) throw new AppError("NOT_FOUND", "there is no such kind of job");
  return described;
}

/** Queues a run of a kind that otherwise a schedule would queue; the one that waits already, if one does. `NOT_FOUND` for a kind without a schedule. */
export async function runKind(deps: JobManagementDeps, source: AuditSource, name: string): Promise<Job> {
  const kind = deps.kinds.get(name);
  if (kind === undefined || kind.payloadSchema !== undefined) {
    throw new AppError("NOT_FOUND", "there is no such kind of job that runs by itself");
  }
  const draft = await draftJob(kind, undefined, { uniqueKey: scheduledKey });
  const nowMs = deps.clock.nowMs();
  const id = await deps.database.transaction(async (tx) => {
    await recordAudit(tx, source, nowMs, { action: "job-kind.run", target: `job kind ${name}` });
    return enqueueJob(tx, draft, source, nowMs);
  });
  deps.wake();
  return getJob(deps, id);
}
