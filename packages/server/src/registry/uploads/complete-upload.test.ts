import assert from "node:assert/strict";
import { test } from "node:test";
import type { Digest, DigestAlgorithm } from "@entrepot/oci/digest";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { checkInvariants } from "../testing/check-invariants.ts";
import {
  brokenBody,
  bytesOf,
  chunkOf,
  digestOf,
  push,
  readBlob,
  repositoryName,
  storedObjects,
} from "../testing/content.ts";
import { InjectedFault } from "../testing/faults.ts";
import { beforeTransaction } from "../testing/interrupt.ts";
import { openTestRegistry, type TestRegistry } from "../testing/open-test-registry.ts";
import { appendToUpload } from "./append-to-upload.ts";
import { beginUpload } from "./begin-upload.ts";
import { cancelUpload } from "./cancel-upload.ts";
import { completeUpload } from "./complete-upload.ts";
import { getUpload } from "./get-upload.ts";

const repository = repositoryName("library/app");
const other = repositoryName("library/other");

eachDatabase((open) => {
  test("makes the blob readable and ends the upload", async (t) => {
    const registry = await openTestRegistry(open, t);
    const upload = await begin(registry);
    await upload.append("abc");
    assert.equal(await upload.complete(digestOf("abcdef"), "def"), 6);
    assert.equal(await readBlob(registry.deps, repository, digestOf("abcdef")), "abcdef");
    await assert.rejects(getUpload(registry.deps, upload.target), { code: "BLOB_UPLOAD_UNKNOWN" });
    await assert.rejects(upload.complete(digestOf("abcdef")), { code: "BLOB_UPLOAD_UNKNOWN" });
    await assertOnly(registry, { blobs: 1, uploads: 0 });
  });

  for (const algorithm of ["sha256", "sha512"] as const) {
    test(`closes with another algorithm than the upload was begun with: ${algorithm}`, async (t) => {
      const registry = await openTestRegistry(open, t);
      const upload = await begin(registry, algorithm === "sha256" ? "sha512" : "sha256");
      await upload.append("abc");
      const digest = digestOf("abc", algorithm);
      await upload.complete(digest);
      assert.equal(await readBlob(registry.deps, repository, digest), "abc");
      await assertOnly(registry, { blobs: 1, uploads: 0 });
    });

    test(`takes the empty blob, begun with ${algorithm}`, async (t) => {
      const registry = await openTestRegistry(open, t);
      const upload = await begin(registry, algorithm);
      assert.equal(await upload.complete(digestOf("")), 0);
      assert.equal(await readBlob(registry.deps, repository, digestOf("")), "");
      await assertOnly(registry, { blobs: 1, uploads: 0 });
    });
  }

  test("keeps the upload as it was when the digest is wrong, with or without a last chunk", async (t) => {
    const registry = await openTestRegistry(open, t);
    const upload = await begin(registry);
    await upload.append("abc");
    const wrong = digestOf("something else");
    await assert.rejects(upload.complete(wrong), { code: "DIGEST_INVALID" });
    await assert.rejects(upload.complete(wrong, "def"), { code: "DIGEST_INVALID" });
    await assert.rejects(upload.complete(digestOf("something else", "sha512")), { code: "DIGEST_INVALID" });
    assert.equal(await upload.offset(), 3);
    await assert.rejects(readBlob(registry.deps, repository, wrong), { code: "BLOB_UNKNOWN" });
    await assertOnly(registry, { blobs: 0, uploads: 1 });
    assert.equal(await upload.complete(digestOf("abc")), 3, "without the bytes of the refused chunk");
    assert.equal(await readBlob(registry.deps, repository, digestOf("abc")), "abc");
    await assertOnly(registry, { blobs: 1, uploads: 0 });
  });

  test("keeps the upload when the last chunk is out of order", async (t) => {
    const registry = await openTestRegistry(open, t);
    const upload = await begin(registry);
    await upload.append("abc");
    await assert.rejects(
      completeUpload(
        registry.deps,
        registry.call(),
        { ...upload.target, digest: digestOf("abc") },
        chunkOf(bytesOf("abc"), 0),
      ),
      { code: "RANGE_INVALID" },
    );
    await upload.complete(digestOf("abcdef"), "def");
    await assertOnly(registry, { blobs: 1, uploads: 0 });
  });

  test("a client that breaks off its last chunk can resume with any algorithm", async (t) => {
    const registry = await openTestRegistry(open, t);
    for (const algorithm of ["sha256", "sha512"] as const) {
      const upload = await begin(registry);
      await upload.append("abc");
      const target = { ...upload.target, digest: digestOf("never", "sha512") };
      const chunk = { body: brokenBody(bytesOf("def")), range: undefined };
      await assert.rejects(completeUpload(registry.deps, registry.call(), target, chunk), {
        code: "BLOB_UPLOAD_INVALID",
      });
      assert.equal(await upload.offset(), 6);
      await checkInvariants(registry.database, registry.blobs);
      await upload.append(algorithm);
      await upload.complete(digestOf(`abcdef${algorithm}`, algorithm));
      assert.equal(
        await readBlob(registry.deps, repository, digestOf(`abcdef${algorithm}`, algorithm)),
        `abcdef${algorithm}`,
      );
    }
    await assertOnly(registry, { blobs: 2, uploads: 0 });
  });

  test("drops the bytes of content that the registry has already", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, repository, "abc");
    const before = await storedObjects(registry);
    const upload = await begin(registry, "sha256", other);
    await upload.append("abc");
    await upload.complete(digest);
    assert.deepEqual(await storedObjects(registry), before, "nothing is stored twice");
    assert.equal(await readBlob(registry.deps, other, digest), "abc");
    await assertOnly(registry, { blobs: 1, uploads: 0 });
  });

  test("several uploads of one content at once keep one copy, and the others are written down for deletion", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = digestOf("same");
    const uploads = await Promise.all([1, 2, 3, 4].map(() => begin(registry)));
    await Promise.all(uploads.map((upload) => upload.append("same")));
    await Promise.all(uploads.map((upload) => upload.complete(digest)));
    assert.equal(await readBlob(registry.deps, repository, digest), "same");
    const { read } = registry.database;
    const doomed = await read.selectFrom("blob_deletions").selectAll().execute();
    const [kept] = await read.selectFrom("blobs").select("location").execute();
    assert.ok(!doomed.some(({ location }) => location === kept?.location));
    assert.equal((await storedObjects(registry)).length, 1 + doomed.length);
    await assertOnly(registry, { blobs: 1, uploads: 0 });
  });

  test("an upload that was first to move but last to be written down is surplus", async (t) => {
    const registry = await openTestRegistry(open, t);
    const first = await begin(registry);
    await first.append("same");
    const digest = digestOf("same");
    const second = await begin(registry, "sha256", other);
    await second.append("same");
    // 1 claims the upload, 2 makes the blob known.
    const deps = beforeTransaction(registry.deps, 2, () => second.complete(digest));
    await completeUpload(deps, registry.call(), { ...first.target, digest }, undefined);
    const doomed = await registry.database.read.selectFrom("blob_deletions").selectAll().execute();
    assert.equal(doomed.length, 1);
    assert.equal(doomed[0]?.digest, digest);
    assert.equal(doomed[0]?.not_before_ms, registry.clock.nowMs());
    await assertOnly(registry, { blobs: 1, uploads: 0 });
  });

  test("an upload whose repository is deleted at that moment is as one that was never there", async (t) => {
    for (const isKnown of [true, false]) {
      const registry = await openTestRegistry(open, t);
      if (isKnown) await push(registry, other, "abc");
      const upload = await begin(registry);
      await upload.append("abc");
      // 1 claims the upload, 2 links the known blob or makes it known.
      const deps = beforeTransaction(registry.deps, 2, () =>
        registry.database.transaction((tx) =>
          tx.deleteFrom("repositories").where("name", "=", repository).execute(),
        ),
      );
      const target = { ...upload.target, digest: digestOf("abc") };
      await assert.rejects(completeUpload(deps, registry.call(), target, undefined), {
        code: "BLOB_UPLOAD_UNKNOWN",
      });
    }
  });

  test("keeps its own bytes when the known blob is collected at that moment", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, other, "abc");
    const upload = await begin(registry);
    await upload.append("abc");
    // 1 claims the upload, 2 links the known blob.
    const deps = beforeTransaction(registry.deps, 2, () =>
      registry.database.transaction(async (tx) => {
        await tx.deleteFrom("repository_blobs").execute();
        await tx.deleteFrom("blobs").execute();
      }),
    );
    await completeUpload(deps, registry.call(), { ...upload.target, digest }, undefined);
    assert.equal(await readBlob(registry.deps, repository, digest), "abc");
  });

  test("an attempt that failed after the bytes were moved may be repeated, with or without the bytes", async (t) => {
    for (const last of [undefined, "abc"]) {
      for (const text of ["abc", ""]) {
        const registry = await openTestRegistry(open, t);
        const upload = await begin(registry);
        if (last === undefined && text !== "") await upload.append(text);
        const chunk = last === undefined ? undefined : text;
        await failToRecord(registry, () => upload.complete(digestOf(text), chunk));
        await checkInvariants(registry.database, registry.blobs);
        await upload.complete(digestOf(text), chunk);
        assert.equal(await readBlob(registry.deps, repository, digestOf(text)), text);
        await assertOnly(registry, { blobs: 1, uploads: 0 });
        assert.equal((await storedObjects(registry)).length, 1);
      }
    }
  });

  test("what a failed attempt has moved goes when the content comes from elsewhere meanwhile", async (t) => {
    const registry = await openTestRegistry(open, t);
    const upload = await begin(registry);
    await upload.append("abc");
    await failToRecord(registry, () => upload.complete(digestOf("abc")));
    await push(registry, other, "abc");
    await upload.complete(digestOf("abc"));
    assert.equal(await readBlob(registry.deps, repository, digestOf("abc")), "abc");
    assert.equal((await storedObjects(registry)).length, 1);
    await assertOnly(registry, { blobs: 1, uploads: 0 });
  });

  test("what a failed attempt has moved goes when the upload is closed by another digest", async (t) => {
    const registry = await openTestRegistry(open, t);
    const upload = await begin(registry);
    await failToRecord(registry, () => upload.complete(digestOf("")));
    await upload.complete(digestOf("", "sha512"));
    assert.equal((await storedObjects(registry)).length, 1);
    await assertOnly(registry, { blobs: 1, uploads: 0 });
  });

  test("what a failed attempt has moved goes with the upload", async (t) => {
    const registry = await openTestRegistry(open, t);
    const upload = await begin(registry);
    await upload.append("abc");
    await failToRecord(registry, () => upload.complete(digestOf("abc")));
    await cancelUpload(registry.deps, registry.call(), upload.target);
    assert.deepEqual(await storedObjects(registry), []);
    await assertOnly(registry, { blobs: 0, uploads: 0 });
  });

  test("a claim that was lost while a repeated attempt links the known blob takes nothing away", async (t) => {
    const registry = await openTestRegistry(open, t);
    const upload = await begin(registry);
    await upload.append("abc");
    const digest = digestOf("abc");
    await failToRecord(registry, () => upload.complete(digest));
    await push(registry, other, "abc");
    const target = { ...upload.target, digest };
    const deps = beforeTransaction(registry.deps, 2, async () => {
      registry.advance(60_000);
      // Another instance takes over as the claim has lapsed, and makes what was moved the blob: the known one is gone.
      await registry.database.transaction(async (tx) => {
        await tx.deleteFrom("repository_blobs").execute();
        const { location } = await tx.selectFrom("blobs").select("location").executeTakeFirstOrThrow();
        await tx
          .insertInto("blob_deletions")
          .values({ location, digest, size_bytes: 3, not_before_ms: 0 })
          .execute();
        await tx
          .updateTable("blobs")
          .set({ digest: digestOf("gone") })
          .execute();
      });
      await completeUpload(registry.instance("instance-2"), registry.call(), target, undefined);
    });
    await assert.rejects(completeUpload(deps, registry.call(), target, undefined), { code: "CONFLICT" });
    await registry.database.transaction((tx) =>
      tx.deleteFrom("blobs").where("digest", "=", digestOf("gone")).execute(),
    );
    assert.equal(await readBlob(registry.deps, repository, digest), "abc");
    await assertOnly(registry, { blobs: 1, uploads: 0 });
  });

  test("a claim that was lost while the blob is written down leaves it unknown", async (t) => {
    const registry = await openTestRegistry(open, t);
    const upload = await begin(registry);
    await upload.append("abc");
    const target = { ...upload.target, digest: digestOf("abc") };
    const deps = beforeTransaction(registry.deps, 2, () =>
      registry.database.transaction((tx) =>
        tx.updateTable("uploads").set({ claimed_by: "another" }).execute(),
      ),
    );
    await assert.rejects(completeUpload(deps, registry.call(), target, undefined), { code: "CONFLICT" });
    await assert.rejects(readBlob(registry.deps, repository, target.digest), { code: "BLOB_UNKNOWN" });
    await assertOnly(registry, { blobs: 0, uploads: 1 });
  });

  test("a restart between chunks and close needs no second read of the bytes", async (t) => {
    const registry = await openTestRegistry(open, t);
    const upload = await begin(registry);
    await upload.append("abc");
    const restarted = registry.instance("instance-1");
    const openUploadForReading = () => assert.fail("read again");
    const deps = { ...restarted, blobs: { ...restarted.blobs, openUploadForReading } };
    await completeUpload(deps, registry.call(), { ...upload.target, digest: digestOf("abc") }, undefined);
    assert.equal(await readBlob(registry.deps, repository, digestOf("abc")), "abc");
  });
});

/** Fails the transaction that would make the blob known. */
async function failToRecord(registry: TestRegistry, work: () => Promise<unknown>): Promise<void> {
  registry.faults.watch((sql) => {
    if (sql.startsWith('insert into "blobs"')) throw new InjectedFault(sql);
  });
  await assert.rejects(work(), InjectedFault);
  registry.faults.watch(undefined);
}

async function begin(registry: TestRegistry, algorithm: DigestAlgorithm = "sha256", into = repository) {
  const id: UploadId = await beginUpload(registry.deps, registry.call(), { repository: into, algorithm });
  const target = { repository: into, id };
  return {
    target,
    append: (text: string) => appendToUpload(registry.deps, registry.call(), target, chunkOf(bytesOf(text))),
    offset: async () => (await getUpload(registry.deps, target)).offsetBytes,
    complete: (digest: Digest, text?: string) =>
      completeUpload(
        registry.deps,
        registry.call(),
        { ...target, digest },
        text === undefined ? undefined : chunkOf(bytesOf(text)),
      ),
  };
}

async function assertOnly(
  registry: TestRegistry,
  expected: { readonly blobs: number; readonly uploads: number },
): Promise<void> {
  const { read } = registry.database;
  const blobs = await read.selectFrom("blobs").select("id").execute();
  const uploads = await read.selectFrom("uploads").select("id").execute();
  assert.deepEqual({ blobs: blobs.length, uploads: uploads.length }, expected);
  await checkInvariants(registry.database, registry.blobs);
}
