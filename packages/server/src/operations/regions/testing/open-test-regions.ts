import type { TestContext } from "node:test";
import { Registry as MetricsRegistry } from "prom-client";
import { createVersionedCache, type VersionedCache } from "../../../access/versioned-cache.ts";
import { silentLog } from "../../../lib/log.ts";
import { collectGarbage } from "../../../lifecycle/garbage-collection/collect-garbage.ts";
import { openTestRegistry, type TestRegistry } from "../../../registry/testing/open-test-registry.ts";
import { createMemoryBlobStore } from "../../../storage/blob-store/memory/memory-blob-store.ts";
import { createRegionWatch } from "../../../storage/blob-store/regions/region-watch.ts";
import { withRegions } from "../../../storage/blob-store/regions/with-regions.ts";
import { type LosableStore, losableStore } from "../../../storage/blob-store/testing/losable-store.ts";
import type { OpenTestDatabase } from "../../../storage/database/testing/each-database.ts";
import type { KnownRegions } from "../namespace-placement.ts";
import { type Reconciled, reconcilePlacements } from "../reconcile-placements.ts";
import { type RegionWorkerDeps, workForRegion } from "../region-worker.ts";
import { createRegions, type Regions } from "../regions.ts";

type Name = "eu" | "us" | "asia";

/** Three regions in memory over one database, each of which can be lost; `asia` is copied to only when asked. An instance in eu and one in us. */
export interface TestRegions {
  readonly stores: Readonly<Record<Name, LosableStore>>;
  readonly eu: TestRegistry;
  readonly us: TestRegistry;
  readonly regions: Regions;
  readonly known: KnownRegions;
  readonly cache: VersionedCache;
  readonly worker: RegionWorkerDeps;
  /** What the instance in eu does in the background, until nothing is due. */
  readonly work: () => Promise<void>;
  readonly reconcile: () => Promise<Reconciled>;
  readonly collect: () => Promise<void>;
  /** Digests of the blobs whose bytes lie in a region. */
  readonly held: (region: Name) => Promise<readonly string[]>;
}

export async function openTestRegions(
  open: OpenTestDatabase,
  t: TestContext,
  { settleMs } = { settleMs: 0 },
): Promise<TestRegions> {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs };
  const lose = () => losableStore(createMemoryBlobStore(clock));
  const stores = { eu: lose(), us: lose(), asia: lose() };
  const over = (...names: readonly Name[]) =>
    withRegions(names.map((name) => ({ name, store: stores[name].store, watch: createRegionWatch(clock) })));
  const [inEu, inUs] = [over("eu", "us", "asia"), over("us", "eu", "asia")];
  const registry = await openTestRegistry(open, t, { blobs: inEu, gcGraceMs: 0 });
  const { database } = registry;
  const cache = createVersionedCache(database, registry.clock, { maxEntries: 10 });
  const common = { database, cache, clock: registry.clock, log: silentLog, copiesAtOnce: 2, settleMs };
  const faceOver = (regional: typeof inEu, instanceId: string) =>
    createRegions({
      ...common,
      regional,
      instanceId,
      metrics: new MetricsRegistry(),
      byDefault: new Set(["eu", "us"]),
      defaultNamespace: "library",
    });
  const regions = faceOver(inEu, "in-eu");
  const instance = (face: Regions, blobs: typeof inEu): TestRegistry => ({
    ...registry,
    advance,
    blobs,
    deps: { ...registry.deps, blobs, regions: face.content },
  });
  const worker: RegionWorkerDeps = {
    ...common,
    regional: inEu,
    instanceId: "in-eu",
    onCopied: () => {},
    onFailed: () => {},
  };
  const known = { names: ["eu", "us", "asia"], byDefault: new Set(["eu", "us"]) };
  const { signal } = new AbortController();
  function advance(ms: number): void {
    nowMs += ms;
    registry.advance(ms);
  }
  return {
    stores,
    cache,
    eu: instance(regions, inEu),
    us: instance(faceOver(inUs, "in-us"), inUs),
    regions,
    known,
    worker,
    async work() {
      for (const region of inEu.regions) {
        while ((await workForRegion(worker, region, 0, signal)).done > 0);
      }
    },
    reconcile: () =>
      reconcilePlacements({ database, clock: registry.clock, known, seeksUnknown: true }, signal, () => {}),
    async collect() {
      const deps = { database, blobs: inEu, clock: registry.clock, log: silentLog };
      const removeBytes = regions.removeBytes;
      await collectGarbage({ ...deps, removeBytes, graceMs: 0, untaggedAfterMs: undefined }, signal);
    },
    async held(region) {
      const found: string[] = [];
      for await (const { kind, name } of stores[region].inner.list()) {
        if (kind === "blob") found.push(`sha256:${name.slice(10, 74)}`);
        else found.push(`upload ${name}`);
      }
      return found.toSorted();
    },
  };
}
