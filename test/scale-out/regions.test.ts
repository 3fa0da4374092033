import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { createBucket } from "@entrepot/server/storage/blob-store/testing/create-bucket";
import { listBucket } from "@entrepot/server/storage/blob-store/testing/list-bucket";
import {
  missingObjectServer,
  type ObjectServer,
  startObjectServer,
} from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { startPostgresCluster } from "@entrepot/server/storage/database/testing/postgres-cluster";
import { openSession, type RegistrySession, randomContent } from "../support/registry-session.ts";
import { administrator, freePort, startServer } from "../support/server-process.ts";
import {
  assertReads,
  createOrganization,
  json,
  type Pushed,
  pushImage,
  put,
  regionOf,
  since,
  until,
  untilCopied,
} from "./region-client.ts";
import { type Relay, startRelay } from "./start-relay.ts";

const run = promisify(execFile);
const program = resolve(import.meta.dirname, "../../packages/cli/bin/entrepot.mjs");
const skip = missingObjectServer("ceph") ?? false;

/** Two regions on one database: an instance in each, a bucket in each, and the bucket of `eu` behind a cable that can be cut. */
interface World {
  readonly objects: ObjectServer;
  readonly cable: Relay;
  readonly eu: RegistrySession;
  readonly us: RegistrySession;
  readonly buckets: Readonly<Record<"eu" | "us", string>>;
  /** Settings of an instance in eu. */
  readonly settings: Readonly<Record<string, string>>;
}

test("two regions: written here, read there at once, copied, one lost and back, placed, verified, collected", {
  skip,
}, async (t: TestContext) => {
  const world = await begin(t);
  const { eu, us, cable } = world;

  const first = await pushImage(eu, "acme/app", 5);
  let startedAt = performance.now();
  for (const layer of first.layers) await assertReads(us, "acme/app", layer);
  t.diagnostic(`${first.layers.length} blobs read in the other region at once: ${since(startedAt)} ms`);
  await untilCopied(us);
  t.diagnostic(`copied ${since(startedAt)} ms after the push, which took ${first.tookMs} ms`);
  for (const { digest } of first.layers) {
    assert.ok(await bucketHas(world, "us", digest), "the copy lies in the other bucket, under its digest");
    const { regions } = await json(us, `/api/v1/blobs/${digest}/regions`);
    assert.deepEqual(
      (regions as { region: string; state: string }[]).map(({ region, state }) => `${region} ${state}`),
      ["eu placed", "us placed"],
    );
  }
  const many = await pushImage(us, "acme/many", 40, 100_000);
  startedAt = performance.now();
  await untilCopied(eu);
  t.diagnostic(`40 blobs, pushed in ${many.tookMs} ms, copied ${since(startedAt)} ms after the last`);

  // A region is lost: its packets are dropped, nobody is told.
  const victim = await pushImage(us, "acme/victim", 1);
  await untilCopied(eu);
  cable.cut();
  startedAt = performance.now();
  await assertReads(us, "acme/app", first.layers[0]);
  t.diagnostic(`the other region reads on: ${since(startedAt)} ms`);
  startedAt = performance.now();
  await assertReads(eu, "acme/app", first.layers[1]);
  const firstReadMs = since(startedAt);
  startedAt = performance.now();
  await assertReads(eu, "acme/many", many.layers[2]);
  await assertReads(eu, "acme/many", many.layers[3]);
  startedAt = performance.now();
  await assertReads(eu, "acme/many", many.layers[4]);
  t.diagnostic(
    `instances of the lost region read from the other: ${firstReadMs} ms the first time, then ${since(startedAt)} ms`,
  );
  const during = await pushImage(us, "acme/during", 3);
  t.diagnostic(`a push in the other region meanwhile: ${during.tookMs} ms`);
  startedAt = performance.now();
  await untilPushed(eu, "acme/here");
  t.diagnostic(`a push through an instance of the lost region works after ${since(startedAt)} ms`);
  const here = await pushImage(eu, "acme/here", 1);
  await assertReads(us, "acme/here", here.layers[0]);
  const health = await us.request("GET", "/health/endtoend");
  const told = (await health.json()) as { status: string; parts: { name: string; ok: boolean }[] };
  assert.equal(health.status, 200, "one region is enough");
  assert.equal(told.status, "degraded");
  assert.deepEqual(
    told.parts.filter(({ ok }) => !ok).map(({ name }) => name),
    ["storage region eu"],
  );
  await remove(us, "acme/victim", victim);
  await until("the other region has collected", async () => {
    const seen = await regionOf(us, "eu");
    return (
      seen.owedDeletions >= victim.layers.length && !(await bucketHas(world, "us", victim.layers[0]?.digest))
    );
  });
  assert.ok(await bucketHas(world, "eu", victim.layers[0]?.digest), "the lost region still has it");

  cable.mend();
  startedAt = performance.now();
  await untilCopied(us);
  await until("what it owes is done", async () => (await regionOf(us, "eu")).owedDeletions === 0);
  t.diagnostic(`the lost region has caught up ${since(startedAt)} ms after it is back`);
  for (const { digest } of [...during.layers, ...here.layers])
    assert.ok(await bucketHas(world, "eu", digest));
  assert.ok(!(await bucketHas(world, "eu", victim.layers[0]?.digest)), "what was deleted meanwhile is gone");

  // Content that may lie in one region only.
  await createOrganization(eu, "resident");
  await put(eu, "/api/v1/organizations/resident/placement", { allowed: ["us"], copies: null });
  const kept = await pushImage(eu, "resident/app", 3);
  for (const layer of kept.layers) await assertReads(eu, "resident/app", layer);
  await untilCopied(us);
  await wait(3_000);
  for (const { digest } of kept.layers) {
    assert.ok(await bucketHas(world, "us", digest));
    assert.ok(!(await bucketHas(world, "eu", digest)), "not one byte lies where it must not");
  }

  const verified = await run(process.execPath, ["--conditions=source", program, "verify", "--json"], {
    env: { PATH: process.env["PATH"] ?? "", ...world.settings },
  });
  assert.equal((JSON.parse(verified.stdout) as { problems: number }).problems, 0, verified.stdout);

  for (const [repository, image] of [
    ["acme/app", first],
    ["acme/many", many],
    ["acme/during", during],
    ["acme/here", here],
    ["resident/app", kept],
  ] as const) {
    await remove(us, repository, image);
  }
  await until("both buckets are empty", async () => {
    const left = await Promise.all([
      listBucket(world.objects, world.buckets.eu),
      listBucket(world.objects, world.buckets.us),
    ]);
    return left.every((keys) => keys.length === 0);
  });
});

async function begin(t: TestContext): Promise<World> {
  const postgres = await startPostgresCluster();
  t.after(() => postgres.stop());
  const objects = await startObjectServer("ceph");
  t.after(() => objects.stop());
  const cable = await startRelay({ host: "127.0.0.1", port: Number(new URL(objects.origin).port) });
  t.after(() => cable.close());
  const folder = await mkdtemp(join(tmpdir(), "entrepot-regions-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const buckets = { eu: await createBucket(objects), us: await createBucket(objects) };
  const url = (bucket: string, origin: string) =>
    `s3://${bucket}/registry?endpoint=${encodeURIComponent(origin)}&pathStyle=true`;
  const settings = {
    ENTREPOT_DATABASE_URL: postgres.url,
    ENTREPOT_STORAGE_REGIONS: `eu=${url(buckets.eu, `http://127.0.0.1:${cable.port}`)} us=${url(buckets.us, objects.origin)}`,
    ENTREPOT_STORAGE_ACCESS_KEY: objects.keys.accessKey,
    ENTREPOT_STORAGE_SECRET_KEY: objects.keys.secretKey,
    ENTREPOT_SECRET_KEY: "5c".repeat(32),
    ENTREPOT_GC_GRACE_SECONDS: "45",
    ENTREPOT_GC_INTERVAL_SECONDS: "1",
  };
  const start = async (region: string) => {
    const dataDir = join(folder, region);
    await mkdir(dataDir);
    const server = await startServer({
      dataDir,
      port: await freePort(),
      settings: { ...settings, ENTREPOT_REGION: region },
    });
    t.after(() => server.stop("SIGKILL"));
    return openSession(server.origin, administrator, 60_000);
  };
  const [eu, us] = [await start("eu"), await start("us")];
  const own = { ENTREPOT_DATA_DIR: join(folder, "eu"), ENTREPOT_REGION: "eu" };
  return { objects, cable, eu, us, buckets, settings: { ...settings, ...own } };
}

async function untilPushed(session: RegistrySession, repository: string): Promise<void> {
  const blob = randomContent(300_000);
  await until("a push works", async () => (await session.pushBlob(repository, blob, "patch")) === 201);
}

async function remove(session: RegistrySession, repository: string, { manifest }: Pushed): Promise<void> {
  const { status } = await session.request("DELETE", `/v2/${repository}/manifests/${manifest.digest}`);
  assert.equal(status, 202);
}

async function bucketHas(world: World, region: "eu" | "us", digest: string | undefined): Promise<boolean> {
  const keys = await listBucket(world.objects, world.buckets[region]);
  return keys.some((key) => key.endsWith((digest ?? "").replace(":", ".")));
}
