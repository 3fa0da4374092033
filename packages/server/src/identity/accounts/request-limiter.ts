import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { createLru } from "../../lib/create-lru.ts";
import { networkOf } from "../../lib/network-of.ts";

/** Counts what comes from one network. In this process only: N instances let N times as many through. */
export interface RequestLimiter {
  /** `TOOMANYREQUESTS` when the network has used up what it may in the present window. */
  check(remoteAddress: string): void;
  count(remoteAddress: string): void;
}

/** A school or an office behind one address should stay below `maxPerNetwork` in `windowMs`. */
export function createRequestLimiter(
  clock: Clock,
  limits: { readonly maxPerNetwork: number; readonly windowMs: number },
): RequestLimiter {
  const { maxPerNetwork, windowMs } = limits;
  const windows = createLru<string, { readonly startedAtMs: number; readonly count: number }>(20_000);

  function current(network: string) {
    const found = windows.get(network);
    const nowMs = clock.nowMs();
    const isOpen = found !== undefined && Math.abs(nowMs - found.startedAtMs) < windowMs;
    return isOpen ? found : { startedAtMs: nowMs, count: 0 };
  }

  return {
    check(remoteAddress) {
      const window = current(networkOf(remoteAddress));
      if (window.count < maxPerNetwork) return;
      const waitMs = window.startedAtMs + windowMs - clock.nowMs();
      throw new AppError("TOOMANYREQUESTS", "too many requests of this kind from this address; try later", {
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
      });
    },
    count(remoteAddress) {
      const network = networkOf(remoteAddress);
      const window = current(network);
      windows.set(network, { ...window, count: window.count + 1 });
    },
  };
}
