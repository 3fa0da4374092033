import type { Schedule } from "../../activity/jobs/job-kind.ts";
import { AppError } from "../../lib/app-error.ts";

/**
 * The first due time after `afterMs`. Intervals count from the epoch, so that every instance and every start comes to the same times. Throws
 * `REQUEST_INVALID` for an expression that is none or that is never due.
 */
export async function nextSlot(schedule: Schedule, afterMs: number): Promise<number> {
  if ("everyMs" in schedule) return (Math.floor(afterMs / schedule.everyMs) + 1) * schedule.everyMs;
  const { Cron } = await import("croner");
  let next: Date | null;
  try {
    next = new Cron(schedule.cron, { timezone: "UTC", mode: "5-part" }).nextRun(new Date(afterMs));
  } catch (cause) {
    throw new AppError("REQUEST_INVALID", `"${schedule.cron}" is no cron expression of five fields`, {
      cause,
    });
  }
  if (next === null) throw new AppError("REQUEST_INVALID", `"${schedule.cron}" is never due`);
  return next.getTime();
}

/** As it is written into the database and shown. */
export function scheduleText(schedule: Schedule): string {
  return "everyMs" in schedule ? `every ${schedule.everyMs / 1_000} s` : schedule.cron;
}
