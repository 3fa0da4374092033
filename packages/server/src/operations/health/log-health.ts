import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { HealthDeps } from "./check-health.ts";

const repeatMs = 60_000;

/**
 * Logs what fails with everything that is known of it, and once when it is well again. What goes on failing is logged once a minute for each part, however often
 * anybody asks; regions and parts are few, so this remembers little.
 */
export function createHealthLog(log: Log, clock: Clock): HealthDeps["onLooked"] {
  const loggedAtMs = new Map<string, number>();
  return ({ name, ok, code }, error) => {
    const before = loggedAtMs.get(name);
    if (ok) {
      if (loggedAtMs.delete(name)) log.info({ part: name }, "a part of the registry is well again");
      return;
    }
    const nowMs = clock.nowMs();
    if (before !== undefined && Math.abs(nowMs - before) < repeatMs) return;
    loggedAtMs.set(name, nowMs);
    log.warn({ part: name, code, error }, "a part of the registry fails");
  };
}
