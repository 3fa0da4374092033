import { byPartOfRegistry } from "../activity/audit/record-audit.ts";
import type { Email } from "../activity/email/email.ts";
import { pruneEvents } from "../activity/events/event-store.ts";
import { type JobKind, jobKind } from "../activity/jobs/job-kind.ts";
import type { Config } from "../config/config.ts";
import type { Log } from "../lib/log.ts";
import type { GarbageCollector } from "../lifecycle/garbage-collection/garbage-collector.ts";
import { clearStrays } from "../lifecycle/strays/clear-strays.ts";
import { countStorageKind } from "../operations/metrics/count-storage.ts";
import type { Regions } from "../operations/regions/regions.ts";
import { verifiedRegions } from "../operations/regions/verified-regions.ts";
import { verificationKind } from "../operations/verify/verification-kind.ts";
import type { VerifyDeps } from "../operations/verify/verify-deps.ts";
import type { Registry } from "../registry/registry.ts";
import type { BlobStore } from "../storage/blob-store/blob-store.ts";
import type { Stores } from "./open-stores.ts";

export interface HousekeepingAreas {
  readonly registry: Registry;
  readonly email: Email;
  readonly collector: GarbageCollector;
  readonly regions: Regions;
  readonly log: Log;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
const batch = 500;
const byCollector = byPartOfRegistry("garbage-collector");

/** Older than any upload may become, and at least a day: clocks of other machines may differ, and rows come after bytes. */
export function strayGraceOf(config: Config): number {
  return Math.max(dayMs, config.uploadExpiryHours * 3_600_000 + config.gcGraceSeconds * 1_000);
}

/** Where bytes lie, when that is in several regions. */
export function placesOf({ regional }: Stores): readonly BlobStore[] | undefined {
  return regional?.regions.map(({ store }) => store);
}

/** With what content is checked beside a running registry. */
export function verifyDepsOf(config: Config, stores: Stores): VerifyDeps {
  const { database, blobs, regional, clock } = stores;
  const regions = regional === undefined ? undefined : verifiedRegions(regional, stores);
  return {
    database,
    blobs,
    regions,
    clock,
    sparse: config.sparseManifests,
    strayGraceMs: strayGraceOf(config),
  };
}

/** What keeps the house in order, each by its own schedule, on one instance at a time: what fails holds nothing else up. */
export function housekeepingKinds(
  config: Config,
  stores: Stores,
  areas: HousekeepingAreas,
): readonly JobKind[] {
  const { database, clock } = stores;
  const { log } = areas;
  const chore = (
    kind: string,
    summary: string,
    run: JobKind<undefined>["run"],
    everyMs = minuteMs,
  ): JobKind =>
    jobKind<undefined>({
      kind,
      summary,
      maxAttempts: 3,
      timeoutMs: 10 * minuteMs,
      concurrency: 1,
      schedule: { everyMs },
      run,
    });
  return [
    areas.collector.kind,
    ...areas.regions.kinds,
    countStorageKind({ database, clock }),
    verificationKind(verifyDepsOf(config, stores)),
    chore("uploads.expire", "Drops uploads that nobody has touched for long.", async (_job, signal) => {
      const expiry = { expiryMs: config.uploadExpiryHours * 3_600_000, limit: batch };
      let dropped = 0;
      for (let more = batch; more >= batch; dropped += more) {
        signal.throwIfAborted();
        more = await areas.registry.expireUploads(expiry);
      }
      return { dropped };
    }),
    chore(
      "strays.clear",
      "Removes uploads from the blob store that the database does not know.",
      async (_job, signal) => {
        const deps = { ...stores, places: placesOf(stores), log, strayGraceMs: strayGraceOf(config) };
        const { uploads, bytes } = await clearStrays(deps, byCollector, { kinds: ["upload"], signal });
        return { uploads, bytes };
      },
      dayMs,
    ),
    chore("events.prune", "Forgets old events.", async () => {
      const cutoffMs = clock.nowMs() - config.eventRetentionDays * dayMs;
      await database.transaction((tx) => pruneEvents(tx, cutoffMs, batch), { durable: false });
    }),
    chore("mails.prune", "Forgets old mails.", () => areas.email.prune()),
    chore("credentials.prune", "Forgets credentials, sessions and links that have expired.", () =>
      stores.identity.prune(),
    ),
    chore("audit.prune", "Lets go of audit entries that are older than is asked for.", () =>
      stores.audit.prune(),
    ),
  ];
}
