import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import type { Clock } from "../../lib/clock.ts";
import { newUuid } from "../../lib/ids.ts";
import type { Database } from "../../storage/database/database.ts";
import { deleteHold, findHeldUntil, putHold } from "./hold-store.ts";

interface HoldDeps {
  readonly database: Database;
  readonly clock: Clock;
}

const byHand = "by-hand";
const whileMs = 600_000;
const renewMs = 120_000;

/** Keeps all bytes in the blob store until then, for a copy that is made by other means. Repeated: the later word counts. */
export async function holdBytes(deps: HoldDeps, source: AuditSource, untilMs: number): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    await putHold(tx, { name: byHand, holder: "administrator", untilMs });
    await recordAudit(tx, source, nowMs, {
      action: "garbage-collection.hold",
      target: "registry",
      after: { until: new Date(untilMs).toISOString() },
    });
  });
}

/** Ends `holdBytes` before its time. Nothing to do when there is none. */
export async function releaseBytes(deps: HoldDeps, source: AuditSource): Promise<void> {
  await deps.database.transaction(async (tx) => {
    if (!(await deleteHold(tx, byHand))) return;
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "garbage-collection.release",
      target: "registry",
    });
  });
}

/** Until when bytes are kept; undefined = as long as something needs them. */
export function heldUntil(deps: HoldDeps): Promise<number | undefined> {
  return findHeldUntil(deps.database.read, deps.clock.nowMs());
}

/**
 * Keeps all bytes while `work` runs, on every instance. The hold is renewed, and ends with the work; that of a process that died ends after ten
 * minutes. What was collected before `work` began may go meanwhile.
 */
export async function whileBytesAreHeld<T>(deps: HoldDeps, work: () => Promise<T>): Promise<T> {
  const name = newUuid();
  const hold = () =>
    deps.database.transaction((tx) =>
      putHold(tx, { name, holder: "backup", untilMs: deps.clock.nowMs() + whileMs }),
    );
  await hold();
  // One that fails is made up for by the next; five in a row have to fail.
  const timer = setInterval(() => void hold().catch(() => undefined), renewMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await deps.database.transaction((tx) => deleteHold(tx, name));
  }
}
