import { draftJob } from "../../activity/jobs/draft-job.ts";
import type { JobKind } from "../../activity/jobs/job-kind.ts";
import { insertJob } from "../../activity/jobs/job-store.ts";
import type { Database } from "../../storage/database/database.ts";
import { listDueKinds, noteKind, passSlot } from "./job-kind-store.ts";
import { nextSlot, scheduleText } from "./next-slot.ts";

/** The key of what a schedule queues: while one run waits, the next due time adds none. */
export const scheduledKey = "schedule";

/** Writes the kinds of this program down, and when each is due first. Repeatable, by several instances at once. */
export async function registerKinds(
  database: Database,
  kinds: Iterable<JobKind>,
  nowMs: number,
): Promise<void> {
  const rows = [];
  for (const { kind, schedule } of kinds) {
    rows.push({
      name: kind,
      schedule: schedule === undefined ? undefined : scheduleText(schedule),
      firstSlotMs: schedule === undefined ? undefined : await nextSlot(schedule, nowMs),
    });
  }
  // In one order, so that instances that start together do not wait for each other crosswise.
  const ordered = rows.toSorted((left, right) => (left.name < right.name ? -1 : 1));
  await database.transaction(async (tx) => {
    for (const row of ordered) await noteKind(tx, row);
  });
}

/**
 * Queues what is due, each due time once whichever instances look. Several due times that went by, while nothing ran or the kind rested, are one. Tells
 * how many it queued.
 */
export async function runSchedules(
  database: Database,
  kinds: ReadonlyMap<string, JobKind>,
  nowMs: number,
): Promise<number> {
  let queued = 0;
  for (const due of await listDueKinds(database.read, [...kinds.keys()], nowMs)) {
    const kind = kinds.get(due.name);
    // A schedule that another version of the program wrote is its business.
    if (kind?.schedule === undefined || scheduleText(kind.schedule) !== due.schedule) continue;
    const nextMs = await nextSlot(kind.schedule, nowMs);
    const draft = await draftJob(kind, undefined, { uniqueKey: scheduledKey });
    const isOurs = await database.transaction(
      async (tx) => {
        if (!(await passSlot(tx, due.name, due.slotMs, nextMs))) return false;
        await insertJob(tx, draft, { nowMs, createdBy: "schedule", slotMs: due.slotMs });
        return true;
      },
      { durable: false },
    );
    if (isOurs) queued += 1;
  }
  return queued;
}
