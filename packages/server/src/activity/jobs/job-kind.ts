import type { TSchema } from "typebox";
import type { Log } from "../../lib/log.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { Json } from "../audit/record-audit.ts";

/**
 * Kinds of jobs are data, as endpoints are: the runner, the management API and the metrics come from the one list that `app/` composes. What is asked of
 * `run`: it may be run more than once for one job, also by two instances one after the other when the first vanished, so its effects must bear that.
 */
export interface JobKind<Payload = unknown> {
  /** Stable name, area first: "uploads.expire". Rows and metrics use it. */
  readonly kind: string;
  /** What it does, for an operator; one line. */
  readonly summary: string;
  /** Shape of the payload; absent = there is none. Loaded when first needed. */
  readonly payloadSchema?: () => Promise<TSchema>;
  /** Times that it is begun at most; then it is a dead letter until somebody retries it. */
  readonly maxAttempts: number;
  /** An attempt that takes longer is told to stop, and has failed. */
  readonly timeoutMs: number;
  /** So many at once, on all instances together. */
  readonly concurrency: number;
  /** The pause after the first failure; doubles with each, up to `longestPauseMs`. Default 5 s and 1 h. */
  readonly firstPauseMs?: number;
  readonly longestPauseMs?: number;
  /** Runs by itself, without a payload. */
  readonly schedule?: Schedule | undefined;
  /**
   * Does the work. What it returns is kept and shown; what it throws is why the attempt failed (`HopelessJob` = no other is made). Must stop within a
   * second of `signal`, by throwing.
   */
  run(job: RunningJob<Payload>, signal: AbortSignal, progress: Progress): Promise<Json | void>;
}

/** When a kind runs by itself: every so often, or as a cron expression of five fields says, in UTC ("30 2 * * *"). */
export type Schedule = { readonly everyMs: number } | { readonly cron: string };

/** What an attempt knows about its job. */
export interface RunningJob<Payload> {
  readonly id: number;
  readonly kind: string;
  readonly namespace: string;
  readonly payload: Payload;
  /** 1 = the first. */
  readonly attempt: number;
  /** The due time of the schedule, if that is why it runs. */
  readonly slotMs: number | undefined;
  readonly log: Log;
  /**
   * To be called first in each transaction that writes what the job found out: `CONFLICT` when the job is no longer ours, because this process was taken
   * for dead and another one runs it now. Then nothing of the transaction is committed.
   */
  hold(tx: Tx): Promise<void>;
}

/** Tells how far it has come. Cheap: written down every few seconds at most. */
export type Progress = (done: number, total?: number, note?: string) => void;

/** Thrown by a job that would fail again however often it were tried. */
export class HopelessJob extends Error {
  override readonly name = "HopelessJob";
}

/** Declares a kind of job; exists so that a list of them reads well and is checked where it is written. */
export function jobKind<Payload>(definition: JobKind<Payload>): JobKind<Payload> {
  return definition;
}
