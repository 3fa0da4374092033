import type { Endpoint } from "../../http/endpoint.ts";
import { newUuid } from "../../lib/ids.ts";
import { acquireLease, releaseLease } from "../../storage/database/lease-store.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { alertElevations, hasAlerts } from "./alert-elevations.ts";
import { expireElevations } from "./change-elevation.ts";
import { elevationRoleEndpoints } from "./elevation-role-routes.ts";
import { elevationEndpoints } from "./elevation-routes.ts";

/** Roles held for a time, as the area sees them. Their rights end by the clock; the work in the background only writes that down and alerts. */
export interface Elevations {
  readonly endpoints: readonly Endpoint[];
  start(): void;
  stop(): Promise<void>;
  /** One round of the work now. */
  work(): Promise<void>;
}

const everyMs = 5_000;
const expireBatch = 100;
const leaseName = "elevations";
const leaseMs = 120_000;

export function createElevations(deps: IdentityDeps): Elevations {
  const lease = { name: leaseName, holder: newUuid() };
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isStopped = false;

  async function work(): Promise<void> {
    await expireElevations(deps, expireBatch);
    if (!(await hasAlerts(deps))) return;
    const nowMs = deps.clock.nowMs();
    const isMine = await deps.database.transaction(
      (tx) => acquireLease(tx, { ...lease, nowMs, untilMs: nowMs + leaseMs }),
      { durable: false },
    );
    if (!isMine) return;
    try {
      await alertElevations(deps);
    } finally {
      await deps.database.transaction((tx) => releaseLease(tx, lease), { durable: false });
    }
  }

  function schedule(): void {
    if (isStopped) return;
    timer = setTimeout(() => {
      running = work()
        .catch((error: unknown) => deps.log.error({ error }, "work on elevations failed; it is tried again"))
        .finally(schedule);
    }, everyMs);
    timer.unref();
  }

  return {
    endpoints: [...elevationEndpoints(deps), ...elevationRoleEndpoints(deps)],
    start: schedule,
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
    work,
  };
}
