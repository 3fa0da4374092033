import type { Log } from "../../lib/log.ts";
import type { Database } from "../../storage/database/database.ts";
import { acquireLeaseFor, releaseLease } from "../../storage/database/lease-store.ts";

const usual = { leaseMs: 30_000, renewMs: 10_000 };

/**
 * Does something as the only process that works for a region; undefined when another does. `held` ends the work when the lease is another's, or could not be
 * renewed: a third of its time before it runs out, as what is under way then still has to end.
 */
export async function underRegionLease<T>(
  {
    database,
    log,
    instanceId,
  }: { readonly database: Database; readonly log: Log; readonly instanceId: string },
  region: string,
  signal: AbortSignal,
  work: (held: AbortSignal) => Promise<T>,
  { leaseMs, renewMs } = usual,
): Promise<T | undefined> {
  const lease = { name: `region:${region}`, holder: instanceId };
  const acquire = () =>
    database.transaction((tx) => acquireLeaseFor(tx, { ...lease, forMs: leaseMs }), { durable: false });
  // From before it was asked for: the answer may have been long on its way.
  let renewedAt = performance.now();
  if (!(await acquire())) return undefined;
  const lost = new AbortController();
  const held = AbortSignal.any([signal, lost.signal]);
  const timer = setInterval(() => {
    if (performance.now() - renewedAt > leaseMs / 2) lost.abort(new Error("the lease ran out"));
    const askedAt = performance.now();
    acquire().then(
      (isOurs) => {
        if (isOurs) renewedAt = askedAt;
        else lost.abort(new Error("another process does this now"));
      },
      () => {},
    );
  }, renewMs);
  try {
    return await work(held);
  } finally {
    clearInterval(timer);
    await database
      .transaction((tx) => releaseLease(tx, lease), { durable: false })
      .catch((error: unknown) => log.warn({ error, region }, "a lease was not given back"));
  }
}
