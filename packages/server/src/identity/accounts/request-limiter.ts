import { LRUCache } from "lru-cache";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { networkOf } from "../sign-in/sign-in-throttle.ts";

/** Requests of one network in one hour that make the registry write mail. A school or office behind one address stays below it. */
const maxPerNetwork = 30;
const windowMs = 3_600_000;

/** Counts a request of the network; `TOOMANYREQUESTS` when there were too many. In this process only: N instances let N times as many through. */
export type RequestLimiter = (remoteAddress: string) => void;

export function createRequestLimiter(clock: Clock): RequestLimiter {
  const windows = new LRUCache<string, { readonly startedAtMs: number; readonly count: number }>({
    max: 20_000,
  });
  return (remoteAddress) => {
    const network = networkOf(remoteAddress);
    const nowMs = clock.nowMs();
    const found = windows.get(network);
    const isOpen = found !== undefined && Math.abs(nowMs - found.startedAtMs) < windowMs;
    const window = isOpen ? found : { startedAtMs: nowMs, count: 0 };
    if (window.count >= maxPerNetwork) {
      throw new AppError("TOOMANYREQUESTS", "too many requests of this kind from this address; try later", {
        retryAfterSeconds: Math.max(1, Math.ceil((window.startedAtMs + windowMs - nowMs) / 1_000)),
      });
    }
    windows.set(network, { ...window, count: window.count + 1 });
  };
}
