import type { Clock } from "../../lib/clock.ts";
import { createLru } from "../../lib/create-lru.ts";
import type { Database } from "../../storage/database/database.ts";
import { type Invalidation, listInvalidations } from "./decision-point-store.ts";

/** What an answer is about: everything by which it can be taken back. */
export interface Subject {
  readonly pointId: number;
  readonly principal?: string | undefined;
  readonly repository?: string | undefined;
  readonly cacheKey?: string | undefined;
}

export interface Kept<V> {
  readonly value: V;
  /** Whether it still holds; false = it ended, and may stand in as the point's settings allow. */
  readonly isFresh: boolean;
}

/**
 * Answers of decision points, kept exactly as long as they say and not longer than the point wants: what was taken back is forgotten, by this
 * process at once, by others within a second or so. Bounded.
 */
export interface DecisionMemory {
  /** Everything that was taken back until now is forgotten when it resolves. Tells where in the order of invalidations we are: a question asked now. */
  sync(): Promise<number>;
  /** Only after `sync`. */
  find<V extends object>(key: string, staleMs: number): Kept<V> | undefined;
  /** Keeps an answer to a question that was asked at `askedAtMs`, after `asOf`; one that was taken back meanwhile is never found. */
  keep(
    key: string,
    value: object,
    about: Subject & { readonly asOf: number; readonly askedAtMs: number; readonly ttlMs: number },
  ): void;
  /** To be called after the commit of invalidations of this process. */
  changed(): void;
}

interface Entry extends Subject {
  readonly value: object;
  readonly asOf: number;
  readonly askedAtMs: number;
  readonly ttlMs: number;
}

const recheckMs = 1_000;
const maxEntries = 100_000;
const maxMarks = 20_000;
const maxRows = 1_000;

export function createDecisionMemory(database: Database, clock: Clock): DecisionMemory {
  const entries = createLru<string, Entry>(maxEntries);
  /** The number of the last invalidation of a subject. One that drops out raises the floor: then more is forgotten, never less. */
  const marks = createLru<string, number>(maxMarks, {
    onEvict: (number) => {
      floor = Math.max(floor, number);
    },
  });
  let floor = 0;
  let known = 0;
  let changes = 0;
  let stamp: number | undefined;
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  let checking: Promise<void> | undefined;

  function isCurrent(): boolean {
    const now = database.foreignChangeStamp();
    // The distance, as a clock that was set back must not keep what is revoked.
    return now === undefined
      ? Math.abs(clock.nowMs() - checkedAtMs) < recheckMs
      : now === stamp && checkedAtMs > 0;
  }

  async function look(): Promise<void> {
    const startedAtMs = clock.nowMs();
    const changesBefore = changes;
    const stampBefore = database.foreignChangeStamp();
    const { last, rows } = await listInvalidations(database.read, known, maxRows);
    // Rows go after a while: where some are missing, everything is forgotten.
    const isWhole = rows.length < maxRows && (last === known || rows[0]?.id === known + 1);
    if (isWhole) for (const row of rows) marks.set(markOf(row), row.id);
    else floor = last;
    known = Math.max(known, last);
    if (changes !== changesBefore) return;
    stamp = stampBefore;
    checkedAtMs = startedAtMs;
  }

  function refresh(): Promise<void> | undefined {
    if (isCurrent()) return undefined;
    checking ??= look().finally(() => {
      checking = undefined;
    });
    return checking;
  }

  function isTakenBack({ pointId, principal, repository, cacheKey, asOf }: Entry): boolean {
    const since = (kind: Invalidation["kind"], subject: string) =>
      (marks.get(markOf({ pointId, kind, subject })) ?? 0) > asOf;
    return (
      asOf < floor ||
      since("all", "") ||
      (principal !== undefined && since("principal", principal)) ||
      (repository !== undefined && since("repository", repository)) ||
      (cacheKey !== undefined && since("cache-key", cacheKey))
    );
  }

  return {
    async sync() {
      const refreshing = refresh();
      if (refreshing !== undefined) {
        await refreshing;
        // The look may have begun for somebody else, before what this caller must see.
        await refresh();
      }
      return known;
    },
    find<V extends object>(key: string, staleMs: number) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      const ageMs = Math.abs(clock.nowMs() - entry.askedAtMs);
      if (ageMs < entry.ttlMs + staleMs && !isTakenBack(entry)) {
        // as: every key is used with one kind of answer
        return { value: entry.value as V, isFresh: ageMs < entry.ttlMs };
      }
      entries.delete(key);
      return undefined;
    },
    keep(key, value, about) {
      entries.set(key, { ...about, value });
    },
    changed() {
      changes += 1;
      checkedAtMs = Number.NEGATIVE_INFINITY;
    },
  };
}

function markOf({ pointId, kind, subject }: Invalidation): string {
  return `${pointId} ${kind} ${subject}`;
}
