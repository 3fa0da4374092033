import assert from "node:assert/strict";
import { test } from "node:test";
import { parseReference } from "@entrepot/oci/reference";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { deleteBlob } from "../../registry/blobs/delete-blob.ts";
import { mountBlob } from "../../registry/blobs/mount-blob.ts";
import { confirmLinkedBlob } from "../../registry/blobs/open-linked-blob.ts";
import { deleteManifest } from "../../registry/manifests/delete-manifest.ts";
import { getManifest } from "../../registry/manifests/get-manifest.ts";
import { deleteTag } from "../../registry/tags/delete-tag.ts";
import { checkInvariants } from "../../registry/testing/check-invariants.ts";
import {
  digestOf,
  imageBytes,
  indexBytes,
  push,
  pushImage,
  put,
  readBlob,
  repositoryName,
  storedObjects,
  tagName,
} from "../../registry/testing/content.ts";
import { beforeTransaction } from "../../registry/testing/interrupt.ts";
import { graceMs, openTestRegistry, type TestRegistry } from "../../registry/testing/open-test-registry.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { collectGarbage, type GarbageDeps } from "./collect-garbage.ts";
import type { PendingDeletion } from "./garbage-store.ts";

const repository = repositoryName("library/app");
const other = repositoryName("library/other");
const minute = 60_000;
const day = 86_400_000;
const nothing = { manifests: 0, links: 0, blobs: 0, bytes: 0 };

eachDatabase((open) => {
  test("what a tagged manifest holds is kept for ever", async (t) => {
    const registry = await openTestRegistry(open, t);
    await pushImage(registry, repository, { layers: ["layer"] }, ["v1"]);
    registry.advance(1_000 * day);
    assert.deepEqual(await collect(registry), nothing);
    assert.equal(await readBlob(registry.deps, repository, digestOf("layer")), "layer");
  });

  test("a pushed blob that nothing names is kept for the grace, then goes; its bytes a minute later", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    registry.advance(graceMs - 1);
    assert.deepEqual(await collect(registry), nothing);
    registry.advance(1);
    assert.deepEqual(await collect(registry), { ...nothing, links: 1, blobs: 1 });
    await assert.rejects(readBlob(registry.instance("fresh"), repository, digest), { code: "BLOB_UNKNOWN" });
    assert.equal((await storedObjects(registry)).length, 1, "somebody may be about to open it");
    await checkInvariants(registry.database, registry.blobs);
    registry.advance(minute - 1);
    assert.deepEqual(await collect(registry), nothing);
    registry.advance(1);
    assert.deepEqual(await collect(registry), { ...nothing, bytes: 3 });
    assert.deepEqual(await storedObjects(registry), []);
    assert.deepEqual(await collect(registry), nothing);
  });

  test("bytes wait no longer than the grace", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repository, "abc");
    const collected = await collect(registry, { graceMs: 0 });
    assert.deepEqual(collected, { ...nothing, links: 1, blobs: 1, bytes: 3 });
    assert.deepEqual(await storedObjects(registry), []);
  });

  test("being asked whether it is there keeps a blob", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    registry.advance(graceMs - 1);
    await confirmLinkedBlob(registry.deps, repository, digest);
    registry.advance(graceMs - 1);
    assert.deepEqual(await collect(registry), nothing);
    registry.advance(1);
    assert.equal((await collect(registry)).links, 1);
  });

  test("a mount keeps a blob for its own grace, and the bytes stay as long as any link", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    registry.advance(graceMs / 2);
    await mountBlob(registry.deps, registry.call(), { repository: other, digest, from: repository });
    registry.advance(graceMs / 2);
    assert.deepEqual(await collect(registry), { ...nothing, links: 1 });
    assert.equal(await readBlob(registry.deps, other, digest), "abc");
    await checkInvariants(registry.database, registry.blobs);
  });

  test("pushing deleted content again before the pass keeps it, and after the pass stores it anew", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    await deleteBlob(registry.deps, byRegistry, { repository, digest });
    await push(registry, other, "abc");
    assert.deepEqual(await collect(registry), nothing);
    await deleteBlob(registry.deps, byRegistry, { repository: other, digest });
    assert.deepEqual(await collect(registry), { ...nothing, blobs: 1 });
    await push(registry, repository, "abc");
    await checkInvariants(registry.database, registry.blobs);
    registry.advance(minute);
    assert.deepEqual(await collect(registry), { ...nothing, bytes: 3 });
    assert.equal(await readBlob(registry.instance("fresh"), repository, digest), "abc");
  });

  test("blobs of a deleted manifest go after the grace; what another one names stays", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await pushImage(registry, repository, { layers: ["own", "shared"] }, ["v1"]);
    await pushImage(registry, repository, { config: "c", layers: ["shared"] });
    await deleteManifest(registry.deps, byRegistry, { repository, digest });
    registry.advance(graceMs - 1);
    assert.deepEqual(await collect(registry), nothing);
    registry.advance(1);
    assert.deepEqual(await collect(registry), { ...nothing, links: 2, blobs: 2 });
    assert.equal(await readBlob(registry.deps, repository, digestOf("shared")), "shared");
    await checkInvariants(registry.database, registry.blobs);
  });

  test("a manifest pushed within the grace keeps the blobs of the one deleted before", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await pushImage(registry, repository, { layers: ["layer"] }, ["v1"]);
    await deleteManifest(registry.deps, byRegistry, { repository, digest });
    registry.advance(graceMs - 1);
    await put(registry, repository, imageBytes({ layers: ["layer"] }), ["v2"]);
    registry.advance(graceMs);
    assert.deepEqual(await collect(registry), nothing);
  });

  test("entries of a deleted index and referrers of a deleted subject follow, down to their blobs", async (t) => {
    const registry = await openTestRegistry(open, t);
    const child = await pushImage(registry, repository, { layers: ["child"] });
    const index = (await put(registry, repository, indexBytes([child]), ["v1"])).digest;
    await pushImage(registry, repository, { layers: ["signature"], subject: child });
    await pushImage(registry, repository, { layers: ["sbom"], subject: index });
    await deleteManifest(registry.deps, byRegistry, { repository, digest: index });
    registry.advance(graceMs - 1);
    assert.deepEqual(await collect(registry), nothing);
    assert.equal((await getManifest(registry.deps, repository, parseReference(child))).digest, child);
    registry.advance(1);
    assert.equal((await collect(registry)).manifests, 2, "the entry and the index' referrer");
    await checkInvariants(registry.database, registry.blobs);
    registry.advance(graceMs);
    assert.equal((await collect(registry)).manifests, 1, "then the entry's referrer");
    registry.advance(graceMs);
    await collect(registry);
    registry.advance(minute);
    await collect(registry);
    assert.deepEqual(await storedObjects(registry), []);
    const events = await registry.database.read
      .selectFrom("events")
      .select("actor")
      .where("kind", "=", "manifest.deleted")
      .execute();
    assert.equal(events.filter((event) => event.actor === "garbage-collector").length, 3);
  });

  test("an orphan that is pushed, tagged or listed again is kept", async (t) => {
    for (const rescue of ["push", "tag", "list"] as const) {
      const registry = await openTestRegistry(open, t);
      const child = await pushImage(registry, repository, {});
      const index = (await put(registry, repository, indexBytes([child]))).digest;
      await deleteManifest(registry.deps, byRegistry, { repository, digest: index });
      registry.advance(graceMs - 1);
      if (rescue === "push") await put(registry, repository, imageBytes({}));
      if (rescue === "tag") await put(registry, repository, imageBytes({}), ["v1"]);
      if (rescue === "list") await put(registry, repository, indexBytes([child]), ["v1"]);
      await checkInvariants(registry.database, registry.blobs);
      registry.advance(10 * graceMs);
      assert.deepEqual(await collect(registry), nothing);
    }
  });

  test("an entry that has a tag or another index of its own outlives the index", async (t) => {
    const registry = await openTestRegistry(open, t);
    const tagged = await pushImage(registry, repository, { config: "1" }, ["own"]);
    const listed = await pushImage(registry, repository, { config: "2" });
    await put(registry, repository, indexBytes([listed]), ["other"]);
    const index = (await put(registry, repository, indexBytes([tagged, listed]), ["v1"])).digest;
    await deleteManifest(registry.deps, byRegistry, { repository, digest: index });
    await checkInvariants(registry.database, registry.blobs);
    registry.advance(10 * graceMs);
    assert.deepEqual(await collect(registry), nothing);
  });

  test("manifests without a tag are kept unless the policy says for how long", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await pushImage(registry, repository, {}, ["v1"]);
    await deleteTag(registry.deps, registry.call(), { repository, tag: tagName("v1") });
    registry.advance(5 * day);
    assert.deepEqual(await collect(registry), nothing);
    assert.deepEqual(await collect(registry, { untaggedAfterMs: 5 * day + 1 }), nothing);
    assert.deepEqual(await collect(registry, { untaggedAfterMs: 5 * day }), { ...nothing, manifests: 1 });
    await assert.rejects(getManifest(registry.instance("fresh"), repository, parseReference(digest)), {
      code: "MANIFEST_UNKNOWN",
    });
    await checkInvariants(registry.database, registry.blobs);
  });

  test("pushing an untagged manifest again starts its time anew", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await pushImage(registry, repository, {});
    registry.advance(5 * day);
    await put(registry, repository, imageBytes({}));
    assert.deepEqual(await collect(registry, { untaggedAfterMs: 5 * day }), nothing);
    assert.equal((await getManifest(registry.deps, repository, parseReference(digest))).digest, digest);
    await checkInvariants(registry.database, registry.blobs);
    registry.advance(5 * day);
    assert.equal((await collect(registry, { untaggedAfterMs: 5 * day })).manifests, 1);
  });

  test("pushing a held manifest again without a tag leaves it held", async (t) => {
    const registry = await openTestRegistry(open, t);
    await pushImage(registry, repository, {}, ["v1"]);
    await put(registry, repository, imageBytes({}));
    await checkInvariants(registry.database, registry.blobs);
  });

  test("wrong candidacies are healed, not believed", async (t) => {
    const registry = await openTestRegistry(open, t);
    const child = await pushImage(registry, repository, { layers: ["layer"] });
    await put(registry, repository, indexBytes([child]), ["v1"]);
    await registry.database.transaction(async (tx) => {
      await tx.updateTable("manifests").set({ unreferenced_since_ms: 0, orphaned: 1 }).execute();
      await tx.updateTable("repository_blobs").set({ unreferenced_since_ms: 0 }).execute();
      await tx.updateTable("blobs").set({ unreferenced_since_ms: 0 }).execute();
    });
    assert.deepEqual(await collect(registry, { untaggedAfterMs: 0 }), nothing);
    await checkInvariants(registry.database, registry.blobs);
    assert.equal(await readBlob(registry.deps, repository, digestOf("layer")), "layer");
  });

  test("works through more than one batch of everything", async (t) => {
    const registry = await openTestRegistry(open, t);
    for (let number = 0; number < 101; number++)
      await pushImage(registry, repository, { config: `${number}` });
    registry.advance(graceMs);
    assert.deepEqual(await collect(registry, { untaggedAfterMs: 0 }), { ...nothing, manifests: 101 });
    registry.advance(graceMs);
    assert.deepEqual(await collect(registry), { ...nothing, links: 101, blobs: 101 });
    registry.advance(minute);
    assert.equal((await collect(registry)).bytes, 10 + 90 * 2 + 3);
    assert.deepEqual(await storedObjects(registry), []);
  });

  test("stops between two things when it is told to, and the next pass goes on", async (t) => {
    const registry = await openTestRegistry(open, t);
    for (const config of ["1", "2"]) await pushImage(registry, repository, { config });
    await push(registry, other, "3");
    registry.advance(graceMs);
    const aborted = AbortSignal.abort();
    assert.deepEqual(await collect(registry, { untaggedAfterMs: 0 }, aborted), nothing);
    const during = new AbortController();
    const stopping = beforeTransaction(registry.deps, 1, async () => during.abort());
    const { database } = stopping;
    const collected = await collect(registry, { untaggedAfterMs: 0, database }, during.signal);
    assert.deepEqual(collected, { ...nothing, manifests: 1 });
    await checkInvariants(registry.database, registry.blobs);
    assert.deepEqual(await collect(registry, { untaggedAfterMs: 0 }), {
      ...nothing,
      manifests: 1,
      links: 1,
      blobs: 1,
    });
    registry.advance(graceMs);
    await collect(registry);
    registry.advance(minute);
    const between = new AbortController();
    const removeBytes = async ({ location }: PendingDeletion) => {
      between.abort();
      await registry.blobs.deleteBlob(location);
      return undefined;
    };
    const { bytes } = await collect(registry, { removeBytes }, between.signal);
    assert.equal(bytes, 1, "one of the three, of one byte each");
  });

  for (const moment of ["repository", "manifest", "hold"] as const) {
    test(`a candidate that is no longer one when its turn comes is left alone: ${moment}`, async (t) => {
      const registry = await openTestRegistry(open, t);
      const child = await pushImage(registry, repository, {});
      const index = (await put(registry, repository, indexBytes([child]))).digest;
      await deleteManifest(registry.deps, byRegistry, { repository, digest: index });
      registry.advance(graceMs);
      const { database } = beforeTransaction(registry.deps, 1, async () => {
        if (moment === "repository") {
          await registry.database.transaction((tx) => tx.deleteFrom("repositories").execute());
        }
        if (moment === "manifest")
          await deleteManifest(registry.deps, byRegistry, { repository, digest: child });
        if (moment === "hold") await put(registry, repository, imageBytes({}), ["v1"]);
      });
      assert.equal((await collect(registry, { database })).manifests, 0);
      if (moment === "hold") await checkInvariants(registry.database, registry.blobs);
    });
  }

  test("links of a repository that goes at that moment are nobody's work any more", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repository, "abc");
    registry.advance(graceMs);
    const { database } = beforeTransaction(registry.deps, 1, () =>
      registry.database.transaction((tx) => tx.deleteFrom("repositories").execute()),
    );
    assert.deepEqual(await collect(registry, { database }), nothing);
  });

  test("a blob that is linked or revived at that moment lives", async (t) => {
    for (const moment of ["linked", "revived"] as const) {
      const registry = await openTestRegistry(open, t);
      const digest = await push(registry, repository, "abc");
      await deleteBlob(registry.deps, byRegistry, { repository, digest });
      const { database } = beforeTransaction(registry.deps, 1, async () => {
        if (moment === "linked") await push(registry, other, "abc");
        else {
          await registry.database.transaction((tx) =>
            tx.updateTable("blobs").set({ unreferenced_since_ms: null }).execute(),
          );
        }
      });
      assert.deepEqual(await collect(registry, { database }), nothing);
      assert.equal((await storedObjects(registry)).length, 1);
    }
  });

  test("a link that the column did not know of keeps its blob by the foreign key", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    await deleteBlob(registry.deps, byRegistry, { repository, digest });
    const violation = await foreignKeyViolation(registry);
    registry.faults.watch((sql) => {
      if (sql.startsWith('delete from "blobs"')) throw violation;
    });
    assert.deepEqual(await collect(registry), nothing);
    registry.faults.watch((sql) => {
      if (sql.startsWith('delete from "blobs"')) throw new Error("something else");
    });
    await assert.rejects(collect(registry), /something else/);
    registry.faults.watch(undefined);
    assert.deepEqual(await collect(registry), { ...nothing, blobs: 1 });
    assert.equal(registry.lines.at(-1)?.message, "a blob was linked while it was being collected");
  });
});

function collect(
  registry: TestRegistry,
  more: Partial<GarbageDeps> = {},
  signal = new AbortController().signal,
) {
  return collectGarbage({ ...registry.deps, graceMs, untaggedAfterMs: undefined, ...more }, signal);
}

/** The engine's own error. */
async function foreignKeyViolation({ database }: TestRegistry): Promise<unknown> {
  const breaking = database.transaction((tx) =>
    tx
      .insertInto("repository_blobs")
      .values({ repository_id: 999, digest: "x", blob_id: 999, unreferenced_since_ms: null })
      .execute(),
  );
  return breaking.then(
    () => assert.fail("no error"),
    (error: unknown) => error,
  );
}
