import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { push, readBlob, repositoryName, storedObjects } from "../../registry/testing/content.ts";
import { graceMs, openTestRegistry } from "../../registry/testing/open-test-registry.ts";
import { beginUpload } from "../../registry/uploads/begin-upload.ts";
import { digestOf, id, put, write } from "../../storage/blob-store/blob-store.contract.ts";
import { eachDatabase, type OpenTestDatabase } from "../../storage/database/testing/each-database.ts";
import { clearStrays, countStrays } from "./clear-strays.ts";

const repository = repositoryName("library/app");
const { signal } = new AbortController();

async function openWorld(open: OpenTestDatabase, t: TestContext) {
  const registry = await openTestRegistry(open, t);
  const { database, clock } = registry;
  const { log } = registry.call();
  return { registry, deps: { database, clock, log, blobs: registry.blobs, strayGraceMs: graceMs } };
}

eachDatabase((open) => {
  test("what the database knows is no stray, whatever its age", async (t) => {
    const { registry, deps } = await openWorld(open, t);
    const digest = await push(registry, repository, "kept");
    const upload = await beginUpload(registry.deps, registry.call(), { repository, algorithm: "sha256" });
    await write(registry.blobs, upload, 0, Buffer.from("going on"));
    const moved = await beginUpload(registry.deps, registry.call(), { repository, algorithm: "sha256" });
    await put(registry.blobs, moved, Buffer.from("moved, and not written down yet"));
    registry.advance(10 * graceMs);
    assert.deepEqual(await countStrays(deps, signal), { uploads: 0, blobs: 0, bytes: 0, examples: [] });
    const before = await storedObjects(registry);
    await clearStrays(deps, byRegistry, { kinds: ["upload", "blob"], signal });
    assert.deepEqual(await storedObjects(registry), before);
    assert.equal((await readBlob(registry.deps, repository, digest)).toString(), "kept");
  });

  test("what it does not know is told, and removed when somebody asks; younger things are left", async (t) => {
    const { registry, deps } = await openWorld(open, t);
    await write(registry.blobs, "lost-upload", 0, Buffer.from("12345"));
    const location = await put(registry.blobs, "lost-blob", Buffer.from("123"));
    registry.advance(graceMs);
    await write(registry.blobs, "young", 0, Buffer.from("1"));
    const found = await countStrays(deps, signal);
    assert.deepEqual(
      { ...found, examples: [...found.examples].sort() },
      { uploads: 1, blobs: 1, bytes: 8, examples: [`blob ${location}`, "upload lost-upload"] },
    );
    assert.equal((await storedObjects(registry)).length, 3, "counting changes nothing");
    const cleared = await clearStrays(deps, byRegistry, { kinds: ["upload", "blob"], signal });
    assert.deepEqual([cleared.uploads, cleared.blobs, cleared.bytes], [1, 1, 8]);
    assert.equal((await storedObjects(registry)).length, 1);
    const entries = await registry.database.read
      .selectFrom("audit_entries")
      .select("action")
      .where("action", "=", "garbage-collection.clear-strays")
      .execute();
    assert.equal(entries.length, 1);
    await registry.blobs.discardUpload(id("young"));
  });

  test("only the kinds that are asked for are removed", async (t) => {
    const { registry, deps } = await openWorld(open, t);
    await write(registry.blobs, "lost-upload", 0, Buffer.from("12345"));
    const location = await put(registry.blobs, "lost-blob", Buffer.from("123"));
    registry.advance(graceMs + 1);
    await clearStrays(deps, byRegistry, { kinds: ["upload"], signal });
    const reader = await registry.blobs.openBlob(location);
    await reader.close();
    assert.equal((await storedObjects(registry)).length, 1);
    await registry.blobs.discardUpload(id("lost-blob"), digestOf("123"));
  });
});
