import { checkPayload } from "../../activity/jobs/draft-job.ts";
import { HopelessJob, type JobKind, type RunningJob } from "../../activity/jobs/job-kind.ts";
import type { Job } from "../../activity/jobs/job-store.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { pauseMs } from "./pause-ms.ts";
import { type Ending, holdJob, type JobProgress } from "./running-job-store.ts";
import type { WriteNote } from "./write-together.ts";

export interface AttemptDeps {
  readonly write: WriteNote;
  readonly clock: Clock;
  readonly log: Log;
  readonly times: { readonly stopMs: number };
  readonly random: () => number;
  /** When the job is this process's no more, whatever became of it. */
  readonly onEnded: (job: Job, outcome: AttemptOutcome, durationMs: number) => void;
}

export type AttemptOutcome = "done" | "failed" | "again" | "cancelled" | "lost" | "given-back";

/** One try at a job. */
export interface Attempt {
  readonly kind: string;
  readonly fence: number;
  /** Somebody wants it to stop for good. */
  cancel(): void;
  /** The process stops: another one is to go on. */
  giveBack(): void;
  /** The job is somebody else's now. */
  lose(): void;
  writeProgress(): Promise<void>;
  /** Resolves, never rejects, when the attempt is over and that is written down. */
  readonly ended: Promise<void>;
}

const maxErrorCharacters = 1_000;
const maxNoteCharacters = 500;
const maxResultCharacters = 20_000;
const endingTries = 5;

type Stop = "cancelled" | "timeout" | "given-back" | "lost";

/** Begins to run a job that was claimed. */
export function beginAttempt(deps: AttemptDeps, kind: JobKind, job: Job): Attempt {
  const { clock } = deps;
  const log = deps.log.child({ jobId: job.id, jobKind: job.kind });
  const controller = new AbortController();
  const overdue = Promise.withResolvers<void>();
  const startedAtMs = performance.now();
  let why: Stop | undefined;
  let news: JobProgress | undefined;

  function stop(reason: Stop): void {
    if (why !== undefined) return;
    why = reason;
    controller.abort(new Error(stopWords[reason]));
    // What does not stop when it is told to is left behind: its job must not wait for it for ever.
    setTimeout(overdue.resolve, deps.times.stopMs).unref();
  }
  const timer = setTimeout(() => stop("timeout"), kind.timeoutMs);
  timer.unref();

  const running: RunningJob<unknown> = {
    id: job.id,
    kind: job.kind,
    namespace: job.namespace,
    payload: JSON.parse(job.payload),
    attempt: job.attempts,
    slotMs: job.slotMs,
    log,
    async hold(tx) {
      if (why === "lost" || !(await holdJob(tx, job))) {
        throw new AppError("CONFLICT", "another instance runs this job now");
      }
    },
  };

  async function work(): Promise<Ending> {
    const nothing = kind.payloadSchema === undefined;
    await checkPayload(kind, running.payload).catch((error: unknown) => {
      throw new HopelessJob(messageOf(error));
    });
    const result = await kind.run(
      nothing ? { ...running, payload: undefined } : running,
      controller.signal,
      (done, total, note) => {
        news = {
          done: Math.trunc(done),
          total: total === undefined ? undefined : Math.trunc(total),
          note: note === undefined ? undefined : storable(note, maxNoteCharacters),
        };
      },
    );
    const text = result === undefined ? undefined : JSON.stringify(result);
    if (text !== undefined && text.length > maxResultCharacters)
      log.warn({}, "the result of a job is too long to be kept");
    return {
      kind: "done",
      result: text !== undefined && text.length <= maxResultCharacters ? text : undefined,
    };
  }

  async function endingOf(error: unknown): Promise<Ending> {
    if (why === "cancelled") return { kind: "cancelled", error: "cancelled" };
    const nowMs = clock.nowMs();
    if (why === "given-back") return { kind: "again", error: undefined, runAtMs: nowMs, isCounted: false };
    const text = why === "timeout" ? stopWords.timeout : messageOf(error);
    if (error instanceof HopelessJob || job.attempts >= job.maxAttempts) {
      log.error({ error, attempts: job.attempts }, "a job failed for good");
      return { kind: "failed", error: text };
    }
    log.warn({ error, attempts: job.attempts }, "a job failed; it is tried again");
    return {
      kind: "again",
      error: text,
      runAtMs: nowMs + pauseMs(kind, job.attempts, deps.random),
      isCounted: true,
    };
  }

  async function settle(ending: Ending): Promise<AttemptOutcome> {
    if (why === "lost") return "lost";
    const told = news;
    news = undefined;
    for (let tries = 1; ; tries += 1) {
      try {
        // A power failure in the next moment means that it is run again, which it must bear anyway.
        const isOurs = await deps.write({ job, progress: told, ending });
        if (!isOurs) return "lost";
        return ending.kind === "again" && !ending.isCounted ? "given-back" : ending.kind;
      } catch (error) {
        if (tries === endingTries) {
          log.error({ error }, "it could not be written down how a job ended; it is run again");
          return "lost";
        }
        await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** tries));
      }
    }
  }

  async function run(): Promise<void> {
    const working = work();
    working.catch(() => undefined);
    const left = overdue.promise.then((): never => {
      log.error({ reason: why }, "a job does not stop; it is left to itself");
      throw new Error(why === undefined ? "it does not stop" : stopWords[why]);
    });
    left.catch(() => undefined);
    const ending = await Promise.race([working, left]).catch(endingOf);
    clearTimeout(timer);
    const outcome = await settle(ending);
    if (outcome === "lost") log.warn({}, "a job was lost to another instance");
    deps.onEnded(job, outcome, performance.now() - startedAtMs);
  }

  return {
    kind: job.kind,
    fence: job.fence,
    cancel: () => stop("cancelled"),
    giveBack: () => stop("given-back"),
    lose: () => stop("lost"),
    async writeProgress() {
      const told = news;
      if (told === undefined) return;
      news = undefined;
      await deps.write({ job, progress: told, ending: undefined });
    },
    ended: run().catch((error: unknown) => log.error({ error }, "a job could not be ended")),
  };
}

const stopWords: Readonly<Record<Stop, string>> = {
  cancelled: "cancelled",
  timeout: "it took longer than its kind may",
  "given-back": "the registry is stopping",
  lost: "another instance runs it now",
};

function messageOf(error: unknown): string {
  return storable(error instanceof Error ? error.message : "unknown error", maxErrorCharacters);
}

/** What the database takes: notes of several jobs are written by one statement, and none may spoil it for the others. */
function storable(text: string, maxCharacters: number): string {
  return text.slice(0, maxCharacters).replaceAll("\0", " ").toWellFormed();
}
