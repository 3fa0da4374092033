import type { JobKind } from "../../activity/jobs/job-kind.ts";
import type { Job } from "../../activity/jobs/job-store.ts";
import type { Tx } from "../../storage/database/database.ts";
import {
  beginJobs,
  findLowerPriority,
  listAbandoned,
  listHeads,
  listNamespacesInTurn,
  listReadyKinds,
  queueDueJobs,
  takeClaimTurn,
  type Work,
} from "./claim-store.ts";
import { pauseMs } from "./pause-ms.ts";
import { endJob } from "./running-job-store.ts";

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
  /** What a look has found. */
  readonly work: Work;
  readonly leaseMs: number;
  readonly kinds: ReadonlyMap<string, JobKind>;
  readonly room: Room;
  /** The namespace that had the last turn, by kind; moved on by a claim. */
  readonly turns: Map<string, string>;
  readonly random: () => number;
}

const dueBatch = 500;
const abandonedBatch = 50;

/**
 * Takes as many jobs as there is room for. Kinds with the most urgent job come first; within a kind, of the most urgent priority first; and of one priority,
 * namespaces take turns, so that ten thousand jobs of one delay nobody else's by more than one. Undefined = another process claims now.
 */
export async function claimJobs(tx: Tx, claim: Claim): Promise<readonly Job[] | undefined> {
  const { nowMs, kinds, room } = claim;
  if (!(await takeClaimTurn(tx))) return undefined;
  if (claim.work.isJobDue) await queueDueJobs(tx, nowMs, dueBatch);
  if (claim.work.isAnyAbandoned) await takeBackAbandoned(tx, claim);
  if (room.total <= 0) return [];
  const chosen: number[] = [];
  for (const { kind, priority, running } of await listReadyKinds(tx, [...kinds.keys()])) {
    const limit = kinds.get(kind)?.concurrency ?? 0;
    const wanted = Math.min(limit - running, room.forKind(kind), room.total - chosen.length);
    if (wanted > 0) chosen.push(...(await chooseOfKind(tx, claim, { kind, priority, wanted })));
  }
  const begun = await beginJobs(tx, chosen, {
    holder: claim.holder,
    nowMs,
    untilMs: nowMs + claim.leaseMs,
  });
  return begun.toSorted((left, right) => chosen.indexOf(left.id) - chosen.indexOf(right.id));
}

/** Whoever ran these has not been heard of: the attempt counts, as it may be the job that ends the process. */
async function takeBackAbandoned(tx: Tx, claim: Claim): Promise<void> {
  const { nowMs, kinds } = claim;
  for (const job of await listAbandoned(tx, nowMs, abandonedBatch)) {
    const error = "the instance that ran it has not been heard of";
    const kind = kinds.get(job.kind);
    await endJob(
      tx,
      job,
      job.isCancelWanted
        ? { kind: "cancelled", error: "cancelled" }
        : job.attempts >= job.maxAttempts
          ? { kind: "failed", error }
          : {
              kind: "again",
              error,
              runAtMs: nowMs + (job.attempts === 1 ? 0 : pauseMs(kind ?? {}, job.attempts - 1, claim.random)),
              isCounted: true,
            },
      nowMs,
    );
  }
}

async function chooseOfKind(
  tx: Tx,
  claim: Claim,
  want: { readonly kind: string; readonly priority: number; readonly wanted: number },
): Promise<readonly number[]> {
  const { kind, wanted } = want;
  const chosen: number[] = [];
  let priority: number | undefined = want.priority;
  while (priority !== undefined && chosen.length < wanted) {
    const left = wanted - chosen.length;
    const after = claim.turns.get(kind) ?? "";
    const namespaces = await listNamespacesInTurn(tx, { kind, priority, after, limit: left });
    const each = Math.ceil(left / Math.max(1, namespaces.length));
    const heads = await listHeads(tx, { kind, priority, namespaces, each });
    const taken = inTurns(heads, namespaces).slice(0, left);
    const last = taken.at(-1);
    if (last !== undefined) claim.turns.set(kind, last.namespace);
    chosen.push(...taken.map(({ id }) => id));
    priority = await findLowerPriority(tx, kind, priority);
  }
  return chosen;
}

/** The first of each, then the second of each, and so on. */
function inTurns<T extends { readonly namespace: string }>(
  heads: readonly T[],
  namespaces: readonly string[],
): readonly T[] {
  const lines = namespaces.map((namespace) => heads.filter((head) => head.namespace === namespace));
  const longest = Math.max(0, ...lines.map((line) => line.length));
  return Array.from({ length: longest }, (_, round) =>
    lines.flatMap((line) => line.slice(round, round + 1)),
  ).flat();
}
