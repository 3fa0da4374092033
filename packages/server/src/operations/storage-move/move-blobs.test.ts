import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { silentLog } from "../../lib/log.ts";
import { collectGarbage } from "../../lifecycle/garbage-collection/collect-garbage.ts";
import { digestOf, pushImage, readBlob, repositoryName } from "../../registry/testing/content.ts";
import { openTestRegistry } from "../../registry/testing/open-test-registry.ts";
import { blobStoreContract } from "../../storage/blob-store/blob-store.contract.ts";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import { openFilesystemBlobStore } from "../../storage/blob-store/filesystem/filesystem-blob-store.ts";
import { createMemoryBlobStore } from "../../storage/blob-store/memory/memory-blob-store.ts";
import { withPrevious } from "../../storage/blob-store/with-previous.ts";
import { eachDatabase, type OpenTestDatabase } from "../../storage/database/testing/each-database.ts";
import type { Problem } from "../verify/problem.ts";
import { verifyEverything } from "../verify/verify-everything.ts";
import { moveBlobs } from "./move-blobs.ts";

const app = repositoryName("acme/app");
const quietly = { parallel: 3, signal: new AbortController().signal, onProgress: () => undefined };
const clock = { nowMs: () => 0 };

blobStoreContract("with a store before it", async () => ({
  store: withPrevious(createMemoryBlobStore(clock), createMemoryBlobStore(clock)),
  dispose: async () => {},
}));

async function start(open: OpenTestDatabase, t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-move-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const from = await openFilesystemBlobStore(folder);
  const registry = await openTestRegistry(open, t, { gcGraceMs: 0 });
  const to = createMemoryBlobStore(registry.clock);
  const over = (blobs: BlobStore) => ({ ...registry, deps: { ...registry.deps, blobs } });
  const move = () => moveBlobs({ ...registry, from, to }, quietly);
  const objects = async (store: BlobStore) => {
    const names: string[] = [];
    for await (const { name } of store.list()) names.push(name);
    return names;
  };
  const verify = async (blobs: BlobStore) => {
    const problems: Problem[] = [];
    await verifyEverything(
      { ...registry, blobs, sparse: "none", strayGraceMs: 0 },
      {
        ...quietly,
        repair: false,
        hash: true,
        bytesPerSecond: undefined,
        onUnseen: () => undefined,
        resume: false,
        onProblem: (problem) => void problems.push(problem),
      },
    );
    return problems;
  };
  return { folder, registry, from, to, over, move, objects, verify };
}

eachDatabase((open) => {
  test("moves everything while pushes and pulls go on, and nothing is missing at any moment", async (t) => {
    const { registry, from, to, over, move, objects, verify } = await start(open, t);
    const texts: string[] = [];
    for (let index = 0; index < 30; index += 1) {
      texts.push(`layer ${index}`);
      await pushImage(over(from), app, { layers: [`layer ${index}`] }, [`v${index}`]);
    }
    // Those who still write to the storage before, and those who write to the new one: both read both.
    const [before, after] = [over(withPrevious(from, to)), over(withPrevious(to, from))];
    let isOver = false;
    const pushes = [before, after].map(async (running, who) => {
      for (let round = 0; !isOver; round += 1) {
        texts.push(`who ${who} round ${round}`);
        await pushImage(running, app, { layers: [texts.at(-1) ?? ""] }, [`w${who}-${round}`]);
        await delay(1);
      }
    });
    const pulls = [before, after].map(async (running) => {
      for (let index = 0; !isOver; index = (index + 1) % 30) {
        assert.equal(await readBlob(running.deps, app, digestOf(`layer ${index}`)), `layer ${index}`);
        await delay(1);
      }
    });
    const first = await move();
    assert.ok(first.moved >= 30);
    assert.deepEqual(first.damaged, []);
    isOver = true;
    await Promise.all([...pushes, ...pulls]);
    // What was pushed to the storage before meanwhile. From now on all write to the new one.
    await move();
    registry.advance(60_001);
    const blobs = withPrevious(to, from);
    await collectGarbage(
      { ...registry, blobs, log: silentLog, graceMs: 0, untaggedAfterMs: undefined },
      quietly.signal,
    );
    assert.deepEqual(await objects(from), []);
    assert.deepEqual(await verify(to), [], "the new storage alone has everything, and nothing else");
    const fresh = over(to);
    for (const text of texts) assert.equal(await readBlob(fresh.deps, app, digestOf(text)), text);
    assert.deepEqual(await move(), { moved: 0, bytes: 0, damaged: [], uploadsLeft: 0 });
  });

  test("a damaged blob stays where it is and is told; what is gone is no harm", async (t) => {
    const { folder, registry, from, to, over, move, objects } = await start(open, t);
    await pushImage(over(from), app, { layers: ["one"] }, ["v1"]);
    const { location } = await registry.database.read
      .selectFrom("blobs")
      .select("location")
      .where("digest", "=", digestOf("one"))
      .executeTakeFirstOrThrow();
    await writeFile(join(folder, "blobs", location), "two");
    const report = await move();
    assert.deepEqual([report.moved, report.damaged], [1, [digestOf("one")]]);
    assert.equal((await objects(to)).length, 1, "nothing of the damaged one");
    await assert.rejects(to.openBlob(location as Parameters<BlobStore["openBlob"]>[0]), {
      code: "BLOB_UNKNOWN",
    });
  });
});
