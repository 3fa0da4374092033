import { setTimeout as wait } from "node:timers/promises";
import { AppError } from "../../lib/app-error.ts";
import { commitTogether } from "../../storage/database/send-together.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { claimEnd, renewClaim, type Upload } from "./upload-store.ts";

/** A claim lasts this long unless renewed: how long clients of a dead instance wait before they can resume. */
export const claimMs = 9_000;
const renewEveryMs = 3_000;
/** What was begun just before the limit below is over before somebody else may write. */
const underWayMs = 2_000;
/** A holder who was not told for so long that the claim is its own begins nothing more. */
const trustedMs = claimMs - underWayMs;
const lookEveryMs = 1_000;
/** Renewals that may be on their way at once: none waits longer than the claim lasts. */
const maxWritten = 8;
/** So long the database has for an answer when the limit has passed. */
const lastAskMs = 1_000;

/** When something was asked, by both clocks of this process. */
export interface Moment {
  /** Goes on while the process is frozen, but not while the machine sleeps. */
  readonly monotonicMs: number;
  /** Goes on while the machine sleeps, but may be set. */
  readonly wallMs: number;
}

export function momentNow(deps: Pick<RegistryDeps, "clock">): Moment {
  return { monotonicMs: performance.now(), wallMs: deps.clock.nowMs() };
}

/** A claim on an upload that is renewed until `stop`. */
export interface KeptClaim {
  /** Fires when the claim is lost, or when somebody asks for the upload on another instance. */
  readonly signal: AbortSignal;
  /**
   * Resolves when nobody else can have the upload now nor for two more seconds: to be called directly before each thing that is done to its bytes. Asks the database
   * only when the last renewal is too long ago. `CONFLICT` when the claim is lost, or may be as the database does not answer, or was given back; then always.
   */
  readonly ensureHeld: () => Promise<void>;
  readonly stop: () => void;
}

/** Keeps the claim that `claimed` tells, which was asked for at `askedAt`. */
export function keepClaim(
  deps: RegistryDeps,
  claimed: {
    readonly upload: Pick<Upload, "id">;
    readonly claimant: string;
    readonly claimedUntilMs: number;
    readonly askedAt: Moment;
    /** False = renewing it does not put off its expiry. */
    readonly isTouched?: boolean;
  },
): KeptClaim {
  const { upload, claimant, isTouched = true } = claimed;
  const stopped = new AbortController();
  /** When the claim was to end by what was written last, the newest answer first. */
  const written = [claimed.claimedUntilMs];
  let { askedAt } = claimed;
  let lost: AppError | undefined;

  function lose(reason: AppError): void {
    lost ??= reason;
    stopped.abort(lost);
  }
  function isOverdue(): boolean {
    const now = momentNow(deps);
    const passedMs = Math.max(now.monotonicMs - askedAt.monotonicMs, now.wallMs - askedAt.wallMs);
    return passedMs >= trustedMs;
  }
  async function renew(): Promise<void> {
    const asking = momentNow(deps);
    try {
      const [[before], [renewed]] = await deps.database.transaction(
        (tx) =>
          commitTogether(tx, [
            claimEnd(tx, upload.id, claimant),
            renewClaim(tx, upload.id, {
              claimant,
              nowMs: isTouched ? asking.wallMs : undefined,
              forMs: claimMs,
              claimClock: deps.claimClock,
            }),
          ]),
        { durable: false },
      );
      if (before === undefined || renewed === undefined) {
        lose(takenOver());
        return;
      }
      const isOvertaken = asking.monotonicMs < askedAt.monotonicMs;
      // An answer that comes after that of a later renewal tells what was written before both.
      const isAsked = isOvertaken ? !written.includes(before.untilMs) : before.untilMs < (written[0] ?? 0);
      if (isAsked) stopped.abort(askedFor());
      written.splice(isOvertaken ? 1 : 0, 0, renewed.untilMs);
      written.splice(maxWritten);
      if (!isOvertaken) askedAt = asking;
    } catch (error) {
      // One failed renewal is not the end: another fits in before the holder has to stop.
      deps.log.warn({ error, uploadId: upload.id }, "could not renew the claim on an upload");
    }
  }
  async function ensureHeld(): Promise<void> {
    if (lost === undefined && isOverdue()) {
      const answered = new AbortController();
      const limit = wait(lastAskMs, undefined, { signal: answered.signal }).catch(() => {});
      await Promise.race([renew(), limit]);
      answered.abort();
      // Also when this process was frozen while the answer was on its way.
      if (isOverdue()) lose(mayBeTakenOver());
    }
    if (lost !== undefined) throw lost;
  }

  const renewal = setInterval(() => void renew(), renewEveryMs);
  // Beside the renewals, which may wait for the database for long.
  const look = setInterval(() => {
    if (isOverdue()) ensureHeld().catch(() => {}); // whom it concerns hears it by the signal
  }, lookEveryMs);
  renewal.unref();
  look.unref();
  return {
    signal: stopped.signal,
    ensureHeld,
    stop: () => {
      // What still goes on of what was given up must not go by a claim that was given back.
      lost ??= takenOver();
      clearInterval(renewal);
      clearInterval(look);
    },
  };
}

/** What who no longer holds an upload is told. */
export function takenOver(): AppError {
  return new AppError("CONFLICT", "another request has taken over this upload");
}

function askedFor(): AppError {
  return new AppError("CONFLICT", "another request for this upload has come to another instance");
}

function mayBeTakenOver(): AppError {
  return new AppError(
    "CONFLICT",
    "this upload could not be held, as the database did not answer in time; ask how far it is and go on there",
  );
}
