import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "../../lib/app-error.ts";
import { systemClock } from "../../lib/clock.ts";
import { createSecretBox } from "../../lib/secret-box.ts";
import { createMemoryBlobStore } from "../../storage/blob-store/memory/memory-blob-store.ts";
import { createRegionWatch } from "../../storage/blob-store/regions/region-watch.ts";
import { unopenedDatabase } from "../../storage/database/unopened-database.ts";
import {
  checkEndToEnd,
  checkInstance,
  checkReady,
  createSharedCheck,
  type Health,
  type HealthDeps,
} from "./check-health.ts";

function healthy(more: Partial<HealthDeps> = {}): HealthDeps {
  return {
    database: { ...unopenedDatabase(), probe: async () => {} },
    blobs: createMemoryBlobStore(systemClock),
    clock: systemClock,
    secretBox: createSecretBox([Buffer.alloc(32)]),
    folders: [tmpdir()],
    isDraining: () => false,
    jobsLookedAtMs: () => systemClock.nowMs(),
    checkSigningKeys: async () => {},
    onLooked: () => {},
    ...more,
  };
}

const failing = ({ parts }: Health) => parts.filter(({ ok }) => !ok);

test("says that all is well", async () => {
  assert.deepEqual((await checkInstance(healthy())).status, "ok");
  assert.deepEqual((await checkEndToEnd(healthy())).status, "ok");
  assert.equal(checkReady(healthy()).status, "ok");
});

test("names the part of the whole that fails, each by itself", async () => {
  const broken = async () => Promise.reject(new Error("no route to host"));
  const cases: readonly (readonly [string, Partial<HealthDeps>])[] = [
    ["database", { database: unopenedDatabase() }],
    ["storage", { blobs: { ...createMemoryBlobStore(systemClock), probe: broken } }],
    ["sign-in", { checkSigningKeys: broken }],
  ];
  for (const [name, more] of cases) {
    const health = await checkEndToEnd(healthy(more));
    assert.equal(health.status, "failing");
    assert.deepEqual(
      failing(health).map((part) => part.name),
      [name],
    );
    assert.ok((failing(health)[0]?.error ?? "").length > 5, "with a sentence");
  }
});

test("of several storage regions one may fail: the whole is degraded, and says which; all may not", async () => {
  const broken = async () => Promise.reject(new Error("no route to host"));
  const store = createMemoryBlobStore(systemClock);
  const region = (name: string, isBroken: boolean) => ({
    name,
    store: isBroken ? { ...store, probe: broken } : store,
    watch: createRegionWatch(systemClock),
  });
  const healthOf = (eu: boolean, us: boolean, more: Partial<HealthDeps> = {}) =>
    checkEndToEnd(healthy({ ...more, regions: [region("eu", !eu), region("us", !us)] }));
  assert.equal((await healthOf(true, true)).status, "ok");
  const degraded = await healthOf(false, true);
  assert.equal(degraded.status, "degraded");
  assert.deepEqual(failing(degraded), [
    {
      name: "storage region eu",
      ok: false,
      code: "STORAGE_FAILING",
      told: "storage does not take, give back or remove bytes",
      error: "no route to host",
    },
  ]);
  assert.equal((await healthOf(false, false)).status, "failing");
  assert.equal((await healthOf(false, true, { database: unopenedDatabase() })).status, "failing");
});

test("without the read replica the whole is degraded, as the primary answers; without the primary it fails", async () => {
  const away = async () => Promise.reject(new Error("the read replica does not answer"));
  const replica = (probe: () => Promise<number>) => ({
    outcomes: () => ({ replica: 0, lagging: 0, failed: 0, foreign: 0, paused: 0 }),
    lagBytes: () => undefined,
    probe,
  });
  const { database } = healthy();
  const healthOf = (deps: Partial<HealthDeps>) => checkEndToEnd(healthy(deps));
  const fine = await healthOf({ database: { ...database, replica: replica(async () => 0) } });
  assert.equal(fine.status, "ok");
  const degraded = await healthOf({ database: { ...database, replica: replica(away) } });
  assert.equal(degraded.status, "degraded");
  assert.deepEqual(
    failing(degraded).map(({ name }) => name),
    ["database replica"],
  );
  const dead = await healthOf({ database: { ...unopenedDatabase(), replica: replica(away) } });
  assert.equal(dead.status, "failing");
});

test("many that ask at once have everything asked once, and who comes later has it asked again", async () => {
  let probes = 0;
  const probe = async () => void (probes += 1);
  const check = createSharedCheck(
    healthy({ blobs: { ...createMemoryBlobStore(systemClock), probe }, checkSigningKeys: probe }),
  );
  const all = await Promise.all(Array.from({ length: 50 }, check));
  assert.ok(all.every(({ status }) => status === "ok"));
  assert.equal(probes, 2);
  await check();
  assert.equal(probes, 4);
});

test("a busy database is no fault of the keys", async () => {
  const busy = async () => Promise.reject(new AppError("UNAVAILABLE", "the database is busy"));
  assert.equal((await checkEndToEnd(healthy({ checkSigningKeys: busy }))).status, "ok");
});

test("an instance is well though the database and the storage are not: others would fare no better", async () => {
  const blobs = {
    ...createMemoryBlobStore(systemClock),
    probe: async () => Promise.reject(new Error("away")),
  };
  const health = await checkInstance(healthy({ database: unopenedDatabase(), blobs }));
  assert.equal(health.status, "ok");
});

test("an instance says what of its own fails", async () => {
  const cases: readonly (readonly [string, Partial<HealthDeps>])[] = [
    ["jobs", { jobsLookedAtMs: () => systemClock.nowMs() - 120_000 }],
    ["disk-space", { folders: [join(tmpdir(), "there-is-no-such-folder")] }],
    ["keys", { secretBox: { ...createSecretBox([Buffer.alloc(32)]), open: () => "other" } }],
  ];
  for (const [name, more] of cases) {
    const health = await checkInstance(healthy(more));
    assert.deepEqual(
      failing(health).map((part) => part.name),
      [name],
    );
  }
  assert.equal(
    (await checkInstance(healthy({ jobsLookedAtMs: () => undefined }))).status,
    "ok",
    "it runs no jobs",
  );
});

test("who has the database that has moved is not well, and says that and nothing else, though its background work has ended", async () => {
  const { database } = healthy();
  const moved = healthy({
    database: { ...database, hasMoved: () => true },
    jobsLookedAtMs: () => systemClock.nowMs() - 120_000,
  });
  for (const health of [checkReady(moved), await checkInstance(moved)]) {
    assert.equal(health.status, "failing");
    assert.deepEqual(
      failing(health).map(({ name, code }) => [name, code]),
      [["database", "DATABASE_MOVED"]],
    );
  }
});

test("who stops is not ready, and is said to drain", async () => {
  const stopping = healthy({ isDraining: () => true });
  assert.equal(checkReady(stopping).status, "draining");
  assert.equal((await checkInstance(stopping)).status, "draining");
  assert.equal((await checkEndToEnd(stopping)).status, "ok");
});
