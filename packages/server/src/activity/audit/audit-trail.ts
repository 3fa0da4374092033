import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { Database } from "../../storage/database/database.ts";
import { type AuditRow, insertAuditEntries } from "./audit-store.ts";
import { type AuditEntry, type AuditSource, byRegistry, toAuditRow } from "./record-audit.ts";

/**
 * For what is written down although nothing changed: pulls, refusals, tokens that were issued. Entries wait in memory, a second at most, and are
 * written many at once, so that nobody waits for them and nothing fails because of them. A process that is killed loses them.
 */
export interface AuditTrail {
  /** Never throws, never waits. When too many wait already the entry is dropped, and an entry says how many were. */
  note(source: AuditSource, entry: AuditEntry): void;
  /** Writes what waits now. Never throws: what cannot be written waits on. */
  flush(): Promise<void>;
  /** Writes what waits and sets no further timer. */
  close(): Promise<void>;
  readonly waiting: () => number;
  readonly dropped: () => number;
}

const everyMs = 1_000;
const batchRows = 500;
const defaultMaxWaiting = 20_000;

export function createAuditTrail(deps: {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxWaiting?: number;
}): AuditTrail {
  const maxWaiting = deps.maxWaiting ?? defaultMaxWaiting;
  let rows: AuditRow[] = [];
  let dropped = 0;
  let untold = 0;
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> | undefined;
  let isClosed = false;

  function schedule(): void {
    if (timer !== undefined || isClosed) return;
    timer = setTimeout(() => {
      timer = undefined;
      void flush();
    }, everyMs);
    timer.unref();
  }

  async function write(): Promise<void> {
    while (rows.length > 0 || untold > 0) {
      const told = untold;
      const batch = rows.slice(0, batchRows);
      const taken = batch.length;
      if (told > 0) batch.push(droppedRow(told));
      try {
        await deps.database.transaction((tx) => insertAuditEntries(tx, batch), { durable: false });
      } catch (error) {
        deps.log.error({ error, waiting: rows.length }, "audit entries could not be written; they wait");
        schedule();
        return;
      }
      // Not all that are there: more were noted while these were written.
      rows = rows.slice(taken);
      untold -= told;
    }
  }

  function droppedRow(count: number): AuditRow {
    return toAuditRow(byRegistry, deps.clock.nowMs(), {
      action: "audit.drop",
      outcome: "failed",
      target: `${count} audit entries`,
      detail: { count },
    });
  }

  function flush(): Promise<void> {
    flushing ??= write().finally(() => {
      flushing = undefined;
    });
    return flushing;
  }

  return {
    note(source, entry) {
      if (rows.length >= maxWaiting) {
        dropped += 1;
        untold += 1;
        return;
      }
      rows.push(toAuditRow(source, deps.clock.nowMs(), entry));
      if (rows.length >= batchRows && flushing === undefined) void flush();
      else schedule();
    },
    flush,
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await flush();
      // What was noted while that ran.
      await flush();
    },
    waiting: () => rows.length,
    dropped: () => dropped,
  };
}

/** Keeps nothing: for tests. */
export const silentAuditTrail: AuditTrail = {
  note: () => {},
  flush: async () => {},
  close: async () => {},
  waiting: () => 0,
  dropped: () => 0,
};
