import assert from "node:assert/strict";
import { appendFile, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { parseReference } from "@entrepot/oci/reference";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { silentLog } from "../../lib/log.ts";
import { collectGarbage } from "../../lifecycle/garbage-collection/collect-garbage.ts";
import { holdBytes, releaseBytes } from "../../lifecycle/garbage-collection/hold-bytes.ts";
import { deleteManifest } from "../../registry/manifests/delete-manifest.ts";
import { getManifest } from "../../registry/manifests/get-manifest.ts";
import {
  digestOf,
  push,
  pushImage,
  readBlob,
  repositoryName,
  storedObjects,
} from "../../registry/testing/content.ts";
import { openTestRegistry, type TestRegistry } from "../../registry/testing/open-test-registry.ts";
import { openFilesystemBlobStore } from "../../storage/blob-store/filesystem/filesystem-blob-store.ts";
import { openDatabase } from "../../storage/database/open-database.ts";
import { eachDatabase, type OpenTestDatabase } from "../../storage/database/testing/each-database.ts";
import type { Problem } from "../verify/problem.ts";
import { verifyEverything } from "../verify/verify-everything.ts";
import { blobFile } from "./backup-folder.ts";
import { createBackup } from "./create-backup.ts";
import { restoreBackup } from "./restore-backup.ts";

const app = repositoryName("acme/app");
const never = new AbortController().signal;
const quietly = { signal: never, onProgress: () => undefined };

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-backup-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function start(open: OpenTestDatabase, t: TestContext) {
  const url = await open.url(t);
  const openSame: OpenTestDatabase = Object.assign(
    (context: TestContext, options = {}) => open(context, { ...options, url }),
    { engine: open.engine, url: async () => url },
  );
  const registry = await openTestRegistry(openSame, t, { gcGraceMs: 0 });
  const folder = await folderFor(t);
  await writeFile(join(folder, "registry.key"), "key");
  const target = join(folder, "backup");
  const deps = {
    ...registry,
    databaseFile: url.slice("sqlite:".length),
    secretKeyFile: join(folder, "registry.key"),
    version: "1",
  };
  const back = () => createBackup(deps, { ...quietly, folder: target });
  return { registry, target, back };
}

/** Restores into a new place and opens it. */
async function restored(t: TestContext, registry: TestRegistry, source: string) {
  const folder = await folderFor(t);
  const blobs = await openFilesystemBlobStore(join(folder, "storage"));
  const databaseFile = join(folder, "entrepot.db");
  const deps = { databaseFile, blobs, clock: registry.clock, secretKeyFile: join(folder, "secret.key") };
  const run = () => restoreBackup(deps, { ...quietly, folder: source });
  const report = await run();
  const database = await openDatabase({
    url: `sqlite:${databaseFile}`,
    poolSize: 1,
    acquireTimeoutMs: 5_000,
    log: silentLog,
  });
  t.after(() => database.close());
  const problems: Problem[] = [];
  await verifyEverything(
    { database, blobs, clock: registry.clock, sparse: "none", strayGraceMs: 0 },
    {
      ...quietly,
      repair: false,
      hash: true,
      parallel: 2,
      bytesPerSecond: undefined,
      onUnseen: () => undefined,
      resume: false,
      onProblem: (problem) => void problems.push(problem),
    },
  );
  const place = { ...registry.instance("restored"), database, blobs };
  return { report, problems, place, folder, run };
}

eachDatabase((open) => {
  if (open.engine === "postgres") return;

  test("a backup restored into an empty place has everything, and verifies clean", async (t) => {
    const { registry, target, back } = await start(open, t);
    const digest = await pushImage(registry, app, { layers: ["one", "two"] }, ["v1"]);
    await push(registry, app, "nobody names me");
    const made = await back();
    assert.deepEqual([made.blobs.count, made.copied, made.missing], [4, 4, []]);
    const { place, problems, report, folder, run } = await restored(t, registry, target);
    assert.deepEqual([problems, report.lost], [[], []]);
    assert.equal((await getManifest(place, app, parseReference("v1"))).digest, digest);
    assert.equal(await readBlob(place, app, digestOf("two")), "two");
    assert.equal((await stat(join(folder, "secret.key"))).size, 3);
    await assert.rejects(run(), /empty place/, "not over what is there");
  });

  test("the next backup into the same folder copies only what is new, and drops what nothing needs", async (t) => {
    const { registry, target, back } = await start(open, t);
    const first = await pushImage(registry, app, { layers: ["one"] }, ["v1"]);
    await back();
    await pushImage(registry, app, { layers: ["two"] }, ["v2"]);
    await deleteManifest(registry.deps, registry.call(), { repository: app, digest: first });
    registry.advance(1);
    await collectGarbage({ ...registry, log: silentLog, graceMs: 0, untaggedAfterMs: undefined }, never);
    const made = await back();
    assert.deepEqual([made.copied, made.blobs.count], [1, 2]);
    assert.deepEqual((await readdir(target)).filter((name) => name.startsWith("database-")).length, 1);
    await assert.rejects(stat(blobFile(target, digestOf("one"))), /ENOENT/);
    assert.deepEqual((await restored(t, registry, target)).problems, []);
  });

  test("whatever was acknowledged before it began is in a backup made in a storm of pushes, deletes and collections", async (t) => {
    const { registry, target, back } = await start(open, t);
    const kept: string[] = [];
    for (let index = 0; index < 10; index += 1) {
      kept.push(await pushImage(registry, app, { layers: [`kept ${index}`] }, [`kept-${index}`]));
    }
    let isOver = false;
    let pushes = 0;
    let collected = 0;
    const storm = [0, 1, 2].map(async (actor) => {
      const name = repositoryName(`storm/actor-${actor}`);
      for (let round = 0; !isOver; round += 1) {
        // Without a grace a blob may be collected before its manifest comes.
        const digest = await pushImage(registry, name, { layers: [`shared ${round % 5}`] }, ["latest"]).catch(
          () => undefined,
        );
        if (digest === undefined) continue;
        pushes += 1;
        await deleteManifest(registry.deps, registry.call(), { repository: name, digest });
      }
    });
    const collector = (async () => {
      while (!isOver) {
        await delay(2); // reads alone would keep everybody else from running
        registry.advance(1);
        const pass = { ...registry, log: silentLog, graceMs: 0, untaggedAfterMs: undefined };
        collected += (await collectGarbage(pass, never)).blobs;
      }
    })();
    for (let round = 0; round < 4; round += 1) await back();
    isOver = true;
    await Promise.allSettled([...storm, collector]);
    t.diagnostic(`${pushes} pushes and ${collected} blobs collected during four backups`);
    assert.ok(pushes > 10 && collected > 5, "the storm was one");
    const { problems, report, place } = await restored(t, registry, target);
    assert.deepEqual([report.missing, report.lost], [[], []]);
    assert.deepEqual(problems, []);
    for (const [index, digest] of kept.entries()) {
      assert.equal((await getManifest(place, app, parseReference(`kept-${index}`))).digest, digest);
      assert.equal(await readBlob(place, app, digestOf(`kept ${index}`)), `kept ${index}`);
    }
  });

  test("refuses a folder with other things, and a backup that was changed", async (t) => {
    const { registry, target, back } = await start(open, t);
    await pushImage(registry, app, {}, ["v1"]);
    const { database } = await back();
    await appendFile(join(target, database.file), "x");
    await assert.rejects(restored(t, registry, target), /damaged/);
    await back();
    await appendFile(join(target, "backup.json"), "x");
    await assert.rejects(restored(t, registry, target), /damaged/);
    await writeFile(join(target, "holiday.jpg"), "x");
    await assert.rejects(back(), /other things/);
  });

  test("a blob that is damaged in the backup is lost, told, and healed by a push", async (t) => {
    const { registry, target, back } = await start(open, t);
    await pushImage(registry, app, { layers: ["one"] }, ["v1"]);
    await back();
    await writeFile(blobFile(target, digestOf("one")), "two");
    const { report, place } = await restored(t, registry, target);
    assert.deepEqual(report.lost, [digestOf("one")]);
    await assert.rejects(readBlob(place, app, digestOf("one")), { code: "BLOB_UNKNOWN" });
    await pushImage({ ...registry, deps: place }, app, { layers: ["one"] }, ["v1"]);
    assert.equal(await readBlob(place, app, digestOf("one")), "one");
  });
});

eachDatabase((open) => {
  test("while bytes are held by hand none are removed, and afterwards they are", async (t) => {
    const registry = await openTestRegistry(open, t, { gcGraceMs: 0 });
    const pass = () =>
      collectGarbage({ ...registry, log: silentLog, graceMs: 0, untaggedAfterMs: undefined }, never);
    await push(registry, app, "abc");
    registry.advance(1);
    await holdBytes(registry, byRegistry, registry.clock.nowMs() + 1_000);
    assert.deepEqual(await pass(), { manifests: 0, links: 1, blobs: 1, bytes: 0 });
    assert.equal((await storedObjects(registry)).length, 1);
    await releaseBytes(registry, byRegistry);
    assert.equal((await pass()).bytes, 3);
    assert.deepEqual(await storedObjects(registry), []);
    await push(registry, app, "def");
    registry.advance(1);
    await holdBytes(registry, byRegistry, registry.clock.nowMs() + 1_000);
    assert.equal((await pass()).bytes, 0);
    registry.advance(1_000);
    assert.equal((await pass()).bytes, 3, "a hold ends by itself");
  });
});
