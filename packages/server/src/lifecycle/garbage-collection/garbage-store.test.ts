import assert from "node:assert/strict";
import { test } from "node:test";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { deleteBlob } from "../../registry/blobs/delete-blob.ts";
import { deleteManifest } from "../../registry/manifests/delete-manifest.ts";
import { indexBytes, push, pushImage, put, repositoryName } from "../../registry/testing/content.ts";
import { graceMs, openTestRegistry, type TestRegistry } from "../../registry/testing/open-test-registry.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { collectGarbage } from "./collect-garbage.ts";
import { countGarbage, forgetDeletions } from "./garbage-store.ts";

const repository = repositoryName("library/app");
const other = repositoryName("library/other");
const minute = 60_000;

eachDatabase((open) => {
  test("what a count foretells is what the pass removes", async (t) => {
    const registry = await openTestRegistry(open, t);
    const child = await pushImage(registry, repository, { config: "1" });
    const index = (await put(registry, repository, indexBytes([child]))).digest;
    await pushImage(registry, repository, { config: "2" });
    await deleteManifest(registry.deps, byRegistry, { repository, digest: index });
    await push(registry, repository, "loose");
    const gone = await push(registry, other, "deleted");
    await deleteBlob(registry.deps, byRegistry, { repository: other, digest: gone });
    registry.advance(graceMs);
    const count = (untaggedMs?: number) =>
      countGarbage(registry.database.read, { graceMs: registry.clock.nowMs() - graceMs, untaggedMs });
    const expected = {
      manifests: 1,
      links: 1,
      blobs: 1,
      blobBytes: 7,
      pendingDeletions: 0,
      pendingDeletionBytes: 0,
    };
    assert.deepEqual(await count(), expected);
    assert.deepEqual(await count(registry.clock.nowMs()), { ...expected, manifests: 2 });
    const { manifests, links, blobs } = await collect(registry);
    assert.deepEqual(
      { manifests, links, blobs },
      { manifests: 1, links: 1, blobs: 2 },
      "and the loose link's blob",
    );
    const left = await count();
    assert.deepEqual([left.pendingDeletions, left.pendingDeletionBytes], [2, 12]);
    assert.deepEqual([left.manifests, left.links, left.blobs], [0, 0, 0]);
    registry.advance(minute);
    assert.equal((await collect(registry)).bytes, left.pendingDeletionBytes);
  });

  test("forgets no deletion when there is none to forget", async (t) => {
    const database = await open(t);
    await database.transaction((tx) => forgetDeletions(tx, []));
  });
});

function collect(registry: TestRegistry) {
  const deps = { ...registry.deps, graceMs, untaggedAfterMs: undefined };
  return collectGarbage(deps, new AbortController().signal);
}
