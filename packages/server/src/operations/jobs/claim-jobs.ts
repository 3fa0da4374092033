import type { JobKind } from "../../activity/jobs/job-kind.ts";
import type { Job } from "../../activity/jobs/job-store.ts";
import type { Tx } from "../../storage/database/database.ts";
import { findWork, type Lease, listAbandoned, queueDueJobs, takeClaimTurn, takeJobs } from "./claim-store.ts";
import { pauseMs } from "./pause-ms.ts";
import { type Ending, writeNotes } from "./running-job-store.ts";

/** What a process can take on now. */
export interface Room {
  /** Jobs at most. */
  readonly total: number;
  /** Jobs of a kind at most, before the kind's own limit for all instances. */
  readonly forKind: (kind: string) => number;
}

export interface Claim {
  readonly holder: string;
  readonly nowMs: number;
  readonly leaseMs: number;
  readonly kinds: ReadonlyMap<string, JobKind>;
  readonly room: Room;
  /** The namespace that had the last turn, by kind; moved on by a claim. */
  readonly turns: Map<string, string>;
  readonly random: () => number;
}

const dueBatch = 500;
const abandonedBatch = 50;

export interface Claimed {
  /** Of each priority, namespaces in turn. */
  readonly jobs: readonly Job[];
  /** A schedule is due, or there were more than one claim puts in order: to be looked at again. */
  readonly isMore: boolean;
}

/**
 * Takes as many jobs as there is room for. Kinds with the most urgent job come first; within a kind, of the most urgent priority first; and of one priority,
 * namespaces take turns, so that ten thousand jobs of one delay nobody else's by more than one. Undefined = another process claims now.
 *
 * Three statements in two round trips when there is work: on PostgreSQL it is these that cost.
 */
export async function claimJobs(tx: Tx, claim: Claim): Promise<Claimed | undefined> {
  const { nowMs, kinds, room } = claim;
  const names = [...kinds.keys()];
  let work = await takeClaimTurn(tx, nowMs, names);
  if (work === "busy") return undefined;
  const isMore = work !== undefined && (work.isJobDue || work.isAnyAbandoned || work.isScheduleDue);
  if (work?.isJobDue) await queueDueJobs(tx, nowMs, dueBatch);
  if (work?.isAnyAbandoned) await takeBackAbandoned(tx, claim);
  if (work?.isJobDue || work?.isAnyAbandoned) work = await findWork(tx, nowMs, names);
  const jobs: Job[] = [];
  for (const { kind, priority, running } of work?.ready ?? []) {
    const limit = kinds.get(kind)?.concurrency ?? 0;
    const wanted = Math.min(limit - running, room.forKind(kind), room.total - jobs.length);
    if (wanted > 0) jobs.push(...(await takeOfKind(tx, claim, { kind, priority, wanted })));
  }
  return { jobs, isMore };
}

/** Whoever ran these has not been heard of: the attempt counts, as it may be the job that ends the process. */
async function takeBackAbandoned(tx: Tx, claim: Claim): Promise<void> {
  const { nowMs } = claim;
  const abandoned = await listAbandoned(tx, nowMs, abandonedBatch);
  const notes = abandoned.map((job) => ({ job, progress: undefined, ending: endingOf(job, claim) }));
  await writeNotes(tx, notes, nowMs);
}

function endingOf(job: Job, { nowMs, kinds, random }: Claim): Ending {
  const error = "the instance that ran it has not been heard of";
  if (job.isCancelWanted) return { kind: "cancelled", error: "cancelled" };
  if (job.attempts >= job.maxAttempts) return { kind: "failed", error };
  const pause = job.attempts === 1 ? 0 : pauseMs(kinds.get(job.kind) ?? {}, job.attempts - 1, random);
  return { kind: "again", error, runAtMs: nowMs + pause, isCounted: true };
}

async function takeOfKind(
  tx: Tx,
  claim: Claim,
  want: { readonly kind: string; readonly priority: number; readonly wanted: number },
): Promise<readonly Job[]> {
  const { kind, wanted } = want;
  const lease: Lease = {
    holder: claim.holder,
    nowMs: claim.nowMs,
    untilMs: claim.nowMs + claim.leaseMs,
  };
  const all: Job[] = [];
  let priority: number | undefined = want.priority;
  while (priority !== undefined && all.length < wanted) {
    const after = claim.turns.get(kind) ?? "";
    const taken = await takeJobs(tx, { kind, priority }, { after, wanted: wanted - all.length, lease });
    const inOrder = inTurns(taken.jobs, after);
    const last = inOrder.at(-1);
    if (last !== undefined) claim.turns.set(kind, last.namespace);
    all.push(...inOrder);
    priority = taken.lowerPriority;
  }
  return all;
}

/** The oldest of each namespace, beginning with the one behind `after`, then the second of each, and so on. */
function inTurns(jobs: readonly Job[], after: string): readonly Job[] {
  const byNamespace = Map.groupBy(
    jobs.toSorted((left, right) => left.id - right.id),
    (job) => job.namespace,
  );
  const names = [...byNamespace.keys()].toSorted((left, right) => (left < right ? -1 : 1));
  const lines = [...names.filter((name) => name > after), ...names.filter((name) => name <= after)].map(
    (name) => byNamespace.get(name) ?? [],
  );
  const longest = Math.max(0, ...lines.map((line) => line.length));
  return Array.from({ length: longest }, (_, round) =>
    lines.flatMap((line) => line.slice(round, round + 1)),
  ).flat();
}
