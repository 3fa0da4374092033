import type { Actor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { addPulls, type PullCount, readPulls } from "./pull-count-store.ts";

/**
 * Holds credentials to their pulls an hour. Counted in memory; every few seconds an instance tells the others through the database what it has
 * counted, and learns what they have. So one instance is exact, and several together let at most what they serve in that time through beyond the limit. A process
 * that is killed forgets the last seconds.
 */
export interface PullLimiter {
  /**
   * Counts a pull. `TOOMANYREQUESTS`, with the time to come again, when the hour's share is used up: then it is not counted. Undefined = at once it
   * may; only a credential that this process has not seen lately is read first.
   */
  take(actor: Actor): Promise<void> | undefined;
  /** Tells and learns. Trouble is logged, and what was counted is kept for the next time. */
  flush(): Promise<void>;
  /** Flushes every few seconds until `stop`, which flushes once more. */
  start(): void;
  stop(): Promise<void>;
}

const everyMs = 5_000;
const hourMs = 3_600_000;
/** Of some 100 bytes; beyond it what has been told is forgotten, and read again when it is used. */
const maxCounters = 50_000;

interface Counter {
  hour: number;
  /** In that hour and in the one before, as all instances have told. */
  told: number;
  toldBefore: number;
  /** Counted here and not told yet. */
  own: number;
}

type Deps = Pick<IdentityDeps, "database" | "clock" | "log">;

export function createPullLimiter(deps: Deps): PullLimiter {
  const counters = new Map<number, Counter>();
  const loading = new Map<number, Promise<void>>();
  /** Of hours that have ended since. */
  let untold: PullCount[] = [];
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> | undefined;

  const hourNow = () => Math.floor(deps.clock.nowMs() / hourMs);

  function moveOn(accessTokenId: number, counter: Counter): void {
    const hour = hourNow();
    // A clock that was set back gives nothing back.
    if (hour <= counter.hour) return;
    if (counter.own > 0) untold.push({ accessTokenId, hour: counter.hour, pulls: counter.own });
    counter.toldBefore = hour === counter.hour + 1 ? counter.told + counter.own : 0;
    counter.told = 0;
    counter.own = 0;
    counter.hour = hour;
  }

  function count(accessTokenId: number, counter: Counter, limit: number): void {
    moveOn(accessTokenId, counter);
    const waitMs = waitFor(counter, limit, deps.clock.nowMs());
    if (waitMs > 0) {
      throw new AppError(
        "TOOMANYREQUESTS",
        `this credential may pull ${limit} times an hour, and has; come again later`,
        { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) },
      );
    }
    counter.own += 1;
  }

  async function load(accessTokenId: number): Promise<void> {
    const counter = { hour: hourNow(), told: 0, toldBefore: 0, own: 0 };
    apply(counter, await readPulls(deps.database.read, [accessTokenId], counter.hour - 1));
    counters.set(accessTokenId, counter);
  }

  async function loadAndCount(accessTokenId: number, limit: number): Promise<void> {
    let reading = loading.get(accessTokenId);
    if (reading === undefined) {
      reading = load(accessTokenId).finally(() => loading.delete(accessTokenId));
      loading.set(accessTokenId, reading);
    }
    await reading;
    const counter = counters.get(accessTokenId);
    if (counter !== undefined) count(accessTokenId, counter, limit);
  }

  async function exchange(): Promise<void> {
    for (const [accessTokenId, counter] of counters) moveOn(accessTokenId, counter);
    const taken = untold;
    untold = [];
    const dirty = [...counters].filter(([, { own }]) => own > 0);
    const told = dirty.map(([accessTokenId, counter]) => {
      const { hour, own } = counter;
      return { counter, count: { accessTokenId, hour, pulls: own } };
    });
    if (taken.length + told.length > 0) {
      const counts = [...taken, ...told.map(({ count: one }) => one)];
      try {
        await deps.database.transaction((tx) => addPulls(tx, counts), { durable: false });
      } catch (error) {
        untold.push(...taken);
        throw error;
      }
      // What is told is no longer own, in the hour in which it was.
      for (const { counter, count: one } of told) {
        if (counter.hour !== one.hour) deductUntold(untold, one);
        else {
          counter.own -= one.pulls;
          counter.told += one.pulls;
        }
      }
    }
    await learn();
    if (counters.size > maxCounters) {
      for (const [accessTokenId, { own }] of counters) if (own === 0) counters.delete(accessTokenId);
    }
  }

  async function learn(): Promise<void> {
    const hour = hourNow();
    const known = [...counters].filter(([, counter]) => counter.hour === hour);
    if (known.length === 0) return;
    const counts = await readPulls(
      deps.database.read,
      known.map(([accessTokenId]) => accessTokenId),
      hour - 1,
    );
    const byId = Map.groupBy(counts, ({ accessTokenId }) => accessTokenId);
    for (const [accessTokenId, counter] of known) apply(counter, byId.get(accessTokenId) ?? []);
  }

  const flush = (): Promise<void> => {
    flushing ??= exchange()
      .catch((error: unknown) => {
        deps.log.warn(
          { error, counters: counters.size },
          "could not tell the other instances what was pulled",
        );
      })
      .finally(() => {
        flushing = undefined;
      });
    return flushing;
  };

  return {
    take(actor) {
      if (actor.kind !== "user" || actor.accessTokenId === undefined) return undefined;
      const limit = actor.useLimits?.maxPullsPerHour;
      if (limit === undefined) return undefined;
      const counter = counters.get(actor.accessTokenId);
      if (counter === undefined) return loadAndCount(actor.accessTokenId, limit);
      count(actor.accessTokenId, counter, limit);
      return undefined;
    },
    flush,
    start() {
      timer = setInterval(() => void flush(), everyMs);
      timer.unref();
    },
    async stop() {
      clearInterval(timer);
      await flush();
      // What was counted while the flush before was under way.
      await flush();
    },
  };
}

/** What the database has is never less than what this process has told. */
function apply(counter: Counter, counts: readonly PullCount[]): void {
  for (const { hour, pulls } of counts) {
    if (hour === counter.hour) counter.told = Math.max(counter.told, pulls);
    if (hour === counter.hour - 1) counter.toldBefore = Math.max(counter.toldBefore, pulls);
  }
}

/** The hour ended while its pulls were being told: they were put aside to be told again. */
function deductUntold(untold: PullCount[], told: PullCount): void {
  const at = untold.findIndex(
    ({ accessTokenId, hour }) => accessTokenId === told.accessTokenId && hour === told.hour,
  );
  const found = untold[at];
  if (found !== undefined) untold[at] = { ...found, pulls: found.pulls - told.pulls };
}

/**
 * How long until there is room for one more; 0 = there is. An hour ends at every moment: what was pulled in the hour of the clock before counts as far as it
 * reaches into the last sixty minutes, taken as spread evenly.
 */
function waitFor({ hour, told, toldBefore, own }: Counter, limit: number, nowMs: number): number {
  const startMs = hour * hourMs;
  const share = Math.min(1, Math.max(0, (nowMs - startMs) / hourMs));
  const now = told + own;
  if (now + Math.floor(toldBefore * (1 - share)) < limit) return 0;
  // Room comes when what fades has faded enough: of the hour before, or of this one once it is that.
  const fromMs = now < limit ? startMs : startMs + hourMs;
  const [fading, room] = now < limit ? [toldBefore, limit - now] : [now, limit];
  return Math.max(1, fromMs + Math.ceil((1 - room / fading) * hourMs) + 1 - nowMs);
}
