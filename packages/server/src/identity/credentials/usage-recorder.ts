import type { Served } from "../../http/http-deps.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { addUsage, type CredentialUsage } from "./usage-store.ts";

/** Counts what credentials are used for. Kept in memory for a few seconds: a process that is killed loses those, one that drains does not. */
export interface UsageRecorder {
  /** Counts a request that was answered. Never waits. */
  record(served: Served): void;
  /** Writes down what was counted since. Trouble is logged, and the counts are kept for the next time. */
  flush(): Promise<void>;
  /** Flushes every few seconds until `stop`, which flushes once more. */
  start(): void;
  stop(): Promise<void>;
}

const everyMs = 5_000;
/** As many counters as are worth their memory; when there are more they are written at once. */
const maxCounters = 20_000;
export const dayMs = 86_400_000;

type Counter = { -readonly [K in keyof CredentialUsage]: CredentialUsage[K] };

export function createUsageRecorder(deps: Pick<IdentityDeps, "database" | "clock" | "log">): UsageRecorder {
  let counters = new Map<string, Counter>();
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> | undefined;

  function counterFor(accessTokenId: number, repository: string): Counter {
    const day = Math.floor(deps.clock.nowMs() / dayMs);
    const key = `${accessTokenId} ${day} ${repository}`;
    let counter = counters.get(key);
    if (counter === undefined) {
      counter = { accessTokenId, day, repository, pulls: 0, pushes: 0, bytesOut: 0, bytesIn: 0 };
      counters.set(key, counter);
    }
    return counter;
  }

  async function write(): Promise<void> {
    const taken = counters;
    if (taken.size === 0) return;
    counters = new Map();
    try {
      await deps.database.transaction((tx) => addUsage(tx, [...taken.values()]), { durable: false });
    } catch (error) {
      deps.log.warn({ error, counters: taken.size }, "could not write down what credentials were used for");
      for (const [key, counter] of taken) {
        const since = counters.get(key);
        if (since === undefined) counters.set(key, counter);
        else add(since, counter);
      }
    }
  }

  const flush = (): Promise<void> => {
    flushing ??= write().finally(() => {
      flushing = undefined;
    });
    return flushing;
  };

  return {
    record({ endpointId, path, actor, repository, status, bytesIn, bytesOut }) {
      if (actor.kind !== "user" || actor.accessTokenId === undefined || repository === undefined) return;
      if (status >= 400 || !path.startsWith("/v2/")) return;
      const counter = counterFor(actor.accessTokenId, repository);
      if (endpointId === "manifests.get" && status === 200) counter.pulls += 1;
      if (endpointId === "manifests.put") counter.pushes += 1;
      counter.bytesOut += bytesOut;
      counter.bytesIn += bytesIn;
      if (counters.size > maxCounters) void flush();
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

function add(counter: Counter, more: Counter): void {
  counter.pulls += more.pulls;
  counter.pushes += more.pushes;
  counter.bytesOut += more.bytesOut;
  counter.bytesIn += more.bytesIn;
}
