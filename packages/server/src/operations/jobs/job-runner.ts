import { setImmediate as nextTurn } from "node:timers/promises";
import type { JobKind } from "../../activity/jobs/job-kind.ts";
import type { Job } from "../../activity/jobs/job-store.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { Database } from "../../storage/database/database.ts";
import { type Attempt, type AttemptDeps, beginAttempt } from "./attempt.ts";
import { claimJobs, type Room } from "./claim-jobs.ts";
import { findWork } from "./claim-store.ts";
import { runSchedules } from "./run-schedules.ts";
import { renewLeases } from "./running-job-store.ts";
import { createTogetherWriter } from "./write-together.ts";

export interface JobRunnerDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly instanceId: string;
  /** Jobs that this process runs at once; 0 = none. */
  readonly atOnce: number;
  readonly kinds: ReadonlyMap<string, JobKind>;
  readonly times: RunnerTimes;
  readonly onEnded: AttemptDeps["onEnded"];
}

export interface RunnerTimes {
  /** How often to look for work when nobody calls. */
  readonly pollMs: number;
  /** How long a process may be silent before its jobs are given to others. */
  readonly leaseMs: number;
  /** How often leases are renewed, progress is written down, and wishes to cancel are seen. */
  readonly beatMs: number;
  /** How long a job that was told to stop may take to do so. */
  readonly stopMs: number;
}

export const usualTimes: RunnerTimes = { pollMs: 1_000, leaseMs: 30_000, beatMs: 3_000, stopMs: 10_000 };

export interface JobRunner {
  start(): void;
  /** There may be work: looks now. */
  readonly wake: () => void;
  /** Takes no more, tells running jobs to stop, waits for them a while, and gives back what is not done. */
  stop(): Promise<void>;
  /** How many jobs run in this process. */
  readonly running: () => number;
  /** When it last looked for work, without trouble; undefined = it has not, or runs none. */
  readonly lookedAtMs: () => number | undefined;
}

/** Slots that a kind which runs here already may not take: a flood of one kind leaves room for the others. */
const keptFree = 2;

export function createJobRunner(deps: JobRunnerDeps): JobRunner {
  const { database, clock, log, kinds, times } = deps;
  const attempts = new Map<number, Attempt>();
  const turns = new Map<string, string>();
  const kindNames = [...kinds.keys()];
  const seed = createRandom(deps.instanceId);
  let isStopping = false;
  let isWanted = false;
  let isBusy = false;
  let lookedAtMs: number | undefined;
  let round: Promise<void> | undefined;
  let pollTimer: NodeJS.Timeout | undefined;
  let beatTimer: NodeJS.Timeout | undefined;
  let beating: Promise<void> | undefined;

  const attemptDeps: AttemptDeps = {
    ...deps,
    write: createTogetherWriter(database, clock),
    random: seed,
    onEnded(job, outcome, durationMs) {
      // Unless another attempt at it runs here by now.
      if (attempts.get(job.id)?.fence === job.fence) attempts.delete(job.id);
      deps.onEnded(job, outcome, durationMs);
      wake();
    },
  };

  function room(): Room {
    const reserved = Math.min(keptFree, deps.atOnce - 1);
    return {
      total: deps.atOnce - attempts.size,
      forKind(kind: string): number {
        const here = [...attempts.values()].filter((attempt) => attempt.kind === kind).length;
        const free = deps.atOnce - attempts.size;
        return here === 0 ? Math.max(1, free - reserved) : free - reserved;
      },
    };
  }

  /** True = there may be more. */
  async function take(): Promise<boolean> {
    // With an embedded database nothing else in here lets go of the event loop; and jobs that end together are replaced together.
    await nextTurn();
    isWanted = false; // whoever called until now has been heard
    const nowMs = clock.nowMs();
    lookedAtMs = nowMs; // also when the database does not answer: that is no fault of this process
    // While there is work, the next claim looks by itself.
    const isFull = attempts.size >= deps.atOnce;
    if (!isBusy || isFull) {
      const work = await findWork(database.read, nowMs, kindNames);
      if (work === undefined) return false;
      if (work.isScheduleDue) await runSchedules(database, kinds, nowMs);
      if (isFull && !work.isJobDue && !work.isAnyAbandoned) return false;
    }
    const claimed = await database.transaction(
      (tx) =>
        claimJobs(tx, {
          holder: deps.instanceId,
          nowMs,
          leaseMs: times.leaseMs,
          kinds,
          room: room(),
          turns,
          random: seed,
        }),
      { durable: false },
    );
    if (claimed === undefined) {
      await pause(5 + 20 * seed());
      return true;
    }
    for (const job of claimed.jobs) begin(job);
    isBusy = claimed.jobs.length > 0 && !claimed.isMore;
    return claimed.isMore;
  }

  function begin(job: Job): void {
    const kind = kinds.get(job.kind);
    if (kind === undefined) return;
    // This process was taken for dead, by itself perhaps, and gets it once more.
    attempts.get(job.id)?.lose();
    attempts.set(job.id, beginAttempt(attemptDeps, kind, job));
  }

  async function takeAll(): Promise<void> {
    while (!isStopping && ((await take()) || isWanted));
  }

  function wake(): void {
    if (isStopping || deps.atOnce === 0) return;
    isWanted = true;
    round ??= takeAll()
      .catch((error: unknown) => log.error({ error }, "jobs could not be taken; it is tried again"))
      .finally(() => {
        round = undefined;
        if (isWanted) wake();
      });
  }

  /** Keeps what runs here, and hears what became of it. */
  async function beat(): Promise<void> {
    if (attempts.size === 0) return;
    const ids = [...attempts.keys()];
    const untilMs = clock.nowMs() + times.leaseMs;
    const kept = await database.transaction((tx) => renewLeases(tx, deps.instanceId, ids, untilMs), {
      durable: false,
    });
    const told: Promise<void>[] = [];
    const fences = new Map(kept.map((row) => [row.id, row]));
    for (const id of ids) {
      const attempt = attempts.get(id);
      const row = fences.get(id);
      if (attempt === undefined) continue;
      if (row === undefined || row.fence !== attempt.fence) attempt.lose();
      else if (row.is_cancel_wanted === 1) attempt.cancel();
      else told.push(attempt.writeProgress());
    }
    await Promise.all(told);
  }

  return {
    start() {
      if (deps.atOnce === 0) return;
      pollTimer = setInterval(wake, times.pollMs);
      beatTimer = setInterval(() => {
        beating ??= beat()
          .catch((error: unknown) =>
            log.warn({ error }, "leases of jobs could not be renewed; it is tried again"),
          )
          .finally(() => {
            beating = undefined;
          });
      }, times.beatMs);
      pollTimer.unref();
      beatTimer.unref();
      wake();
    },
    wake,
    async stop() {
      isStopping = true;
      clearInterval(pollTimer);
      await round;
      const ending = [...attempts.values()];
      for (const attempt of ending) attempt.giveBack();
      const late = pause(times.stopMs);
      await Promise.race([Promise.all(ending.map((attempt) => attempt.ended)), late]);
      clearInterval(beatTimer);
      await beating;
    },
    running: () => attempts.size,
    lookedAtMs: () => lookedAtMs,
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

/** Spreads pauses; nothing depends on nobody guessing it. Different for each process. */
function createRandom(text: string): () => number {
  let state = 0x9e3779b9;
  for (const character of text) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return () => {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
