import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { digestOf, pushImage, repositoryName } from "../../registry/testing/content.ts";
import { openTestRegistry } from "../../registry/testing/open-test-registry.ts";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import { eachDatabase, type OpenTestDatabase } from "../../storage/database/testing/each-database.ts";
import { openTestJobs } from "../jobs/testing/open-test-jobs.ts";
import { verificationKind } from "./verification-kind.ts";

const app = repositoryName("acme/app");

async function start(open: OpenTestDatabase, t: TestContext, wrap: (blobs: BlobStore) => BlobStore) {
  const registry = await openTestRegistry(open, t, { sparse: "none" });
  await pushImage(registry, app, { layers: ["one", "two"] }, ["v1"]);
  const blobs = wrap(registry.deps.blobs);
  const deps = { ...registry, blobs, sparse: "none", strayGraceMs: 0 } as const;
  const kind = verificationKind(deps);
  return { registry, kind, house: openTestJobs(t, registry.database, [kind]) };
}

eachDatabase((open) => {
  test("a job checks all content, says how far it is, and names what is wrong with its users", async (t) => {
    const { registry, kind, house } = await start(open, t, (blobs) => blobs);
    const { location } = await registry.database.read
      .selectFrom("blobs")
      .select("location")
      .where("digest", "=", digestOf("two"))
      .executeTakeFirstOrThrow();
    // as: written by the driver
    await registry.deps.blobs.deleteBlob(location as Parameters<BlobStore["deleteBlob"]>[0]);
    const id = await house.enqueue(kind, {}, { quick: true });
    await house.instance().start();
    const done = await house.until(id, "done", "failed");
    assert.equal(done.error, undefined);
    const result = JSON.parse(done.result ?? "{}");
    assert.deepEqual([result.blobs, result.problems, result.unrepaired], [3, 1, 1]);
    assert.equal(result.found[0].kind, "blob-missing");
    assert.deepEqual(result.found[0].affects, ["acme/app:v1"]);
    assert.deepEqual([done.progress.done, done.progress.note], [3, "blobs"]);
  });

  test("a job whose storage fails is tried again, and then says what it found", async (t) => {
    let failures = 1;
    const { kind, house } = await start(open, t, (blobs) => ({
      ...blobs,
      openBlob(location) {
        if (failures-- > 0) throw new Error("the network is gone");
        return blobs.openBlob(location);
      },
    }));
    const id = await house.enqueue(kind, {}, { repair: true });
    await house.instance().start();
    const waiting = await house.until(id, "waiting", "failed", "done");
    assert.equal(waiting.state, "waiting");
    assert.match(waiting.error ?? "", /network is gone/);
    house.clock.move(60_000);
    const done = await house.until(id, "done", "failed");
    assert.equal(JSON.parse(done.result ?? "{}").problems, 0);
    assert.equal(done.attempts, 2);
  });
});
