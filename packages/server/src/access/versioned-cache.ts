import type { Clock } from "../lib/clock.ts";
import { createLru } from "../lib/create-lru.ts";
import type { MaybePromise } from "../lib/maybe-promise.ts";
import type { Database } from "../storage/database/database.ts";
import { readAccessVersion } from "./access-version-store.ts";

/**
 * Facts about rights, kept as long as nobody has changed any. Changes of this process count at once (`changed`); those of others when the
 * access version in the database has moved: on SQLite that is looked up whenever another process has written anything, on
 * PostgreSQL when another tells of it, and once a second anyway. So a revocation holds everywhere within about a second.
 */
export interface VersionedCache {
  /** The fact: at once when it is certainly current, else loaded. Absence (`undefined` inside a fact) may be part of a fact. */
  get<V extends object>(key: string, load: () => Promise<V>): MaybePromise<V>;
  /** As `get`, but absence is not kept: what is looked up by a name or a hash may be made at any moment, and that changes nobody's rights. */
  find<V extends object>(key: string, load: () => Promise<V | undefined>): MaybePromise<V | undefined>;
  /** To be called after the commit of every change of rights in this process. */
  changed(): void;
}

const recheckMs = 1_000;

export function createVersionedCache(
  database: Database,
  clock: Clock,
  options: { readonly maxEntries: number },
): VersionedCache {
  const entries = createLru<string, object>(options.maxEntries);
  let generation = 0;
  let version: number | undefined;
  let stamp: number | undefined;
  let notice: number | undefined;
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  let checking: Promise<void> | undefined;

  function forgetAll(): void {
    generation += 1;
    entries.clear();
  }

  /** Undefined when everything kept is current now; else a promise of when it is. */
  function refresh(): Promise<void> | undefined {
    const now = database.foreignChangeStamp();
    const told = database.noticeStamp("access");
    // The distance, as a clock that was set back must not keep what is revoked.
    const isRecent = Math.abs(clock.nowMs() - checkedAtMs) < recheckMs && told === notice;
    const isCurrent = now === undefined ? isRecent : now === stamp;
    if (isCurrent && version !== undefined) return undefined;
    checking ??= check(now, told).finally(() => {
      checking = undefined;
    });
    return checking;
  }

  async function check(stampBefore: number | undefined, noticeBefore: number | undefined): Promise<void> {
    const startedAtMs = clock.nowMs();
    const found = await readAccessVersion(database.read);
    if (found !== version) forgetAll();
    version = found;
    stamp = stampBefore;
    notice = noticeBefore;
    checkedAtMs = startedAtMs;
  }

  function find<V extends object>(
    key: string,
    load: () => Promise<V | undefined>,
  ): MaybePromise<V | undefined> {
    const refreshing = refresh();
    if (refreshing === undefined) return keptOrLoaded(key, load);
    // The look-up may have begun for somebody else, before the change that this caller must see.
    return refreshing.then(refresh).then(() => keptOrLoaded(key, load));
  }

  function keptOrLoaded<V extends object>(
    key: string,
    load: () => Promise<V | undefined>,
  ): MaybePromise<V | undefined> {
    const kept = entries.get(key);
    if (kept !== undefined) return kept as V; // as: every key is used with one kind of fact
    const before = generation;
    return load().then((fact) => {
      // What was read before a change must not be kept after it.
      if (fact !== undefined && before === generation) entries.set(key, fact);
      return fact;
    });
  }

  return {
    find,
    // as: `load` tells something always
    get: <V extends object>(key: string, load: () => Promise<V>) => find(key, load) as MaybePromise<V>,
    changed: forgetAll,
  };
}
