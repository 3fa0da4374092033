import assert from "node:assert/strict";
import { test } from "node:test";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { deleteManifest, removeManifest } from "../manifests/delete-manifest.ts";
import { findManifestId } from "../manifests/manifest-store.ts";
import { findRepositoryId, lockRepositoryForDelete } from "../repositories/repository-store.ts";
import { checkInvariants } from "../testing/check-invariants.ts";
import {
  bytesOf,
  chunkOf,
  digestOf,
  imageBytes,
  push,
  pushImage,
  put,
  readBlob,
  repositoryName,
  storedObjects,
} from "../testing/content.ts";
import { beforeTransaction } from "../testing/interrupt.ts";
import { graceMs, openTestRegistry, type TestRegistry } from "../testing/open-test-registry.ts";
import { pushBlob } from "../uploads/push-blob.ts";
import { deleteBlob } from "./delete-blob.ts";
import { unlinkBlob } from "./linked-blob-store.ts";
import { mountBlob } from "./mount-blob.ts";
import { confirmLinkedBlob, getLinkedBlob, openLinkedBlob } from "./open-linked-blob.ts";

const repository = repositoryName("library/app");
const other = repositoryName("library/other");

eachDatabase((open) => {
  test("a blob is readable only where it is linked", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    const { sizeBytes } = await getLinkedBlob(registry.deps, repository, digest);
    assert.equal(sizeBytes, 3);
    for (const elsewhere of [other, repositoryName("no/where")]) {
      await assert.rejects(getLinkedBlob(registry.deps, elsewhere, digest), { code: "BLOB_UNKNOWN" });
    }
  });

  test("reads small blobs from memory once they were read, and large ones from the store", async (t) => {
    const registry = await openTestRegistry(open, t);
    const large = "x".repeat(65_537);
    for (const text of ["small", large]) {
      const digest = await push(registry, repository, text);
      assert.equal(await readBlob(registry.deps, repository, digest), text);
      registry.faults.arm({ what: "before blob-store call", at: 1 });
      if (text === large) await assert.rejects(readBlob(registry.deps, repository, digest));
      else assert.equal(await readBlob(registry.deps, repository, digest), text);
      registry.faults.disarm();
    }
  });

  test("does not serve a blob whose bytes have shrunk", async (t) => {
    const registry = await openTestRegistry(open, t);
    const blob = await getLinkedBlob(registry.deps, repository, await push(registry, repository, "abc"));
    await assert.rejects(
      openLinkedBlob(registry.deps, { ...blob, sizeBytes: 4 }),
      /has 3 bytes in storage, not 4/,
    );
  });

  test("deleting takes the blob out of one repository, at once", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    await mountBlob(registry.deps, registry.call(), { repository: other, digest, from: repository });
    await getLinkedBlob(registry.deps, repository, digest);
    await deleteBlob(registry.deps, byRegistry, { repository, digest });
    await assert.rejects(getLinkedBlob(registry.deps, repository, digest), { code: "BLOB_UNKNOWN" });
    assert.equal(await readBlob(registry.deps, other, digest), "abc");
    await assert.rejects(deleteBlob(registry.deps, byRegistry, { repository, digest }), {
      code: "BLOB_UNKNOWN",
    });
    await checkInvariants(registry.database, registry.blobs);
    await deleteBlob(registry.deps, byRegistry, { repository: other, digest });
    await checkInvariants(registry.database, registry.blobs);
    const nowhere = { repository: repositoryName("no/where"), digest };
    await assert.rejects(deleteBlob(registry.deps, byRegistry, nowhere), { code: "BLOB_UNKNOWN" });
  });

  test("a blob that a manifest names cannot be deleted, until the manifest is", async (t) => {
    const registry = await openTestRegistry(open, t);
    const manifest = await pushImage(registry, repository, { layers: ["layer"] });
    for (const text of ["{}", "layer"]) {
      const blob = { repository, digest: digestOf(text) };
      await assert.rejects(deleteBlob(registry.deps, byRegistry, blob), {
        code: "IN_USE",
        message: new RegExp(manifest),
      });
      assert.equal(await readBlob(registry.deps, repository, blob.digest), text);
    }
    await deleteManifest(registry.deps, byRegistry, { repository, digest: manifest });
    await deleteBlob(registry.deps, byRegistry, { repository, digest: digestOf("layer") });
    await checkInvariants(registry.database, registry.blobs);
  });

  test("a delete finds nothing when the repository goes at that moment", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    const deps = beforeTransaction(registry.deps, 1, () =>
      registry.database.transaction((tx) => tx.deleteFrom("repositories").execute()),
    );
    await assert.rejects(deleteBlob(deps, byRegistry, { repository, digest }), { code: "BLOB_UNKNOWN" });
  });

  test("pushing deleted content again revives it without a second copy", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    const before = await storedObjects(registry);
    await deleteBlob(registry.deps, byRegistry, { repository, digest });
    await push(registry, other, "abc");
    assert.deepEqual(await storedObjects(registry), before);
    await checkInvariants(registry.database, registry.blobs);
  });

  test("being asked for starts an unnamed blob's time anew, once half of it is over", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    const pushedAtMs = registry.clock.nowMs();
    registry.advance(graceMs / 2);
    await confirmLinkedBlob(registry.deps, repository, digest);
    assert.equal(await sinceMs(registry), pushedAtMs);
    registry.advance(1);
    const blob = await confirmLinkedBlob(registry.deps, repository, digest);
    assert.equal(blob.unreferencedSinceMs, registry.clock.nowMs());
    assert.equal(await sinceMs(registry), registry.clock.nowMs());
  });

  test("a blob that is collected while it is asked for is said to be gone", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    registry.advance(graceMs);
    const deps = beforeTransaction(registry.deps, 1, () =>
      registry.database.transaction((tx) => tx.deleteFrom("repository_blobs").execute()),
    );
    await assert.rejects(confirmLinkedBlob(deps, repository, digest), { code: "BLOB_UNKNOWN" });
  });

  test("a named blob needs no time, and being asked for never makes it a candidate", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "{}");
    await getLinkedBlob(registry.deps, repository, digest);
    await put(registry, repository, imageBytes({}));
    registry.advance(graceMs);
    await confirmLinkedBlob(registry.deps, repository, digest);
    await checkInvariants(registry.database, registry.blobs);
  });

  test("a blob that was named when it was last read starts its time anew after its manifest is gone", async (t) => {
    const registry = await openTestRegistry(open, t);
    const manifest = await pushImage(registry, repository, {});
    await getLinkedBlob(registry.deps, repository, digestOf("{}"));
    await deleteManifest(registry.deps, byRegistry, { repository, digest: manifest });
    registry.advance(graceMs - 1);
    await confirmLinkedBlob(registry.deps, repository, digestOf("{}"));
    assert.equal(
      await sinceMs(registry),
      registry.clock.nowMs(),
      "the client was told that it need not push",
    );
  });

  test("a push of content that comes into quarantine while its bytes arrive heals it", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    const damage = () =>
      registry.database.transaction((tx) =>
        tx.updateTable("blobs").set({ quarantined_at_ms: registry.clock.nowMs() }).execute(),
      );
    const deps = beforeTransaction(registry.deps, 2, damage); // the first begins the upload, and finds the content
    await pushBlob(deps, registry.call(), { repository, digest }, chunkOf(bytesOf("abc")));
    assert.equal(await readBlob(registry.deps, repository, digest), "abc");
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("the last two links of a blob that go at once leave it to the collector", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    await push(registry, other, "abc");
    const letGo = await holdTransaction(registry.database, async (tx) => {
      const repositoryId = await findRepositoryId(tx, repository);
      await unlinkBlob(tx, { repositoryId: repositoryId ?? 0, digest, nowMs: registry.clock.nowMs() });
    });
    const deleting = deleteBlob(registry.deps, byRegistry, { repository: other, digest });
    await untilWaiting(registry.database, 1, deleting);
    await letGo();
    await deleting;
    await checkInvariants(registry.database, registry.blobs);
  });

  for (const sparse of ["none", "all"] as const) {
    const how = sparse === "none" ? "again" : "for the first time";
    test(`a blob that comes ${how} while the manifest that names it is deleted is left to the collector`, async (t) => {
      const registry = await openTestRegistry(open, t, { sparse });
      const body = imageBytes({ layers: ["layer"] });
      await push(registry, repository, "{}");
      await push(registry, sparse === "none" ? repository : other, "layer");
      await put(registry, repository, body);
      const letGo = await holdTransaction(registry.database, async (tx) => {
        const repositoryId = (await findRepositoryId(tx, repository)) ?? 0;
        await lockRepositoryForDelete(tx, repositoryId);
        const id = (await findManifestId(tx, repositoryId, digestOf(body))) ?? 0;
        const manifest = { id, repository, repositoryId, digest: digestOf(body) };
        await removeManifest(tx, byRegistry, { ...manifest, nowMs: registry.clock.nowMs() });
      });
      const pushing = push(registry, repository, "layer");
      await untilWaiting(registry.database, 1, pushing);
      await letGo();
      await pushing;
      await checkInvariants(registry.database, registry.blobs);
    });
  }
});

async function sinceMs({ database }: TestRegistry) {
  const row = await database.read
    .selectFrom("repository_blobs")
    .select("unreferenced_since_ms")
    .executeTakeFirstOrThrow();
  return row.unreferenced_since_ms;
}
