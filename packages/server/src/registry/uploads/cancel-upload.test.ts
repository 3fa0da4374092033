import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { checkInvariants } from "../testing/check-invariants.ts";
import { bytesOf, chunkOf, digestOf, readBlob, repositoryName, storedObjects } from "../testing/content.ts";
import { InjectedFault } from "../testing/faults.ts";
import { gatedBody } from "../testing/gated-body.ts";
import { openTestRegistry, type TestRegistry } from "../testing/open-test-registry.ts";
import { appendToUpload } from "./append-to-upload.ts";
import { beginUpload } from "./begin-upload.ts";
import { cancelUpload, expireUploads } from "./cancel-upload.ts";
import { completeUpload } from "./complete-upload.ts";
import { getUpload } from "./get-upload.ts";

const repository = repositoryName("library/app");
const hour = 3_600_000;
const expiry = { expiryMs: hour, limit: 100 };

eachDatabase((open) => {
  test("cancelling drops row and bytes, and the upload is unknown afterwards", async (t) => {
    const registry = await openTestRegistry(open, t);
    const target = await begin(registry, "abc");
    await cancelUpload(registry.deps, registry.call(), target);
    await assertNothingIsLeft(registry);
    await assert.rejects(cancelUpload(registry.deps, registry.call(), target), {
      code: "BLOB_UPLOAD_UNKNOWN",
    });
  });

  test("cancelling stops a writer that is still at it", async (t) => {
    const registry = await openTestRegistry(open, t);
    const target = await begin(registry, "abc");
    const body = gatedBody();
    const chunk = { body: body.stream, range: undefined };
    const appending = appendToUpload(registry.deps, registry.call(), target, chunk);
    await body.send(bytesOf("def"));
    const cancelling = cancelUpload(registry.deps, registry.call(), target);
    await assert.rejects(appending, { code: "BLOB_UPLOAD_INVALID" });
    await cancelling;
    await assertNothingIsLeft(registry);
  });

  test("uploads that nobody has touched for the time given go, others stay", async (t) => {
    const registry = await openTestRegistry(open, t);
    await begin(registry, "old");
    registry.advance(hour);
    assert.equal(await expireUploads(registry.deps, expiry), 0, "not before its time");
    const fresh = await begin(registry, "new");
    registry.advance(1);
    assert.equal(await expireUploads(registry.deps, expiry), 1);
    assert.equal((await getUpload(registry.deps, fresh)).offsetBytes, 3);
    assert.deepEqual(await storedObjects(registry), [`upload ${fresh.id}`]);
    await checkInvariants(registry.database, registry.blobs);
  });

  test("a chunk starts the time anew", async (t) => {
    const registry = await openTestRegistry(open, t);
    const target = await begin(registry, "abc");
    registry.advance(hour);
    await appendToUpload(registry.deps, registry.call(), target, chunkOf(bytesOf("def")));
    registry.advance(hour);
    assert.equal(await expireUploads(registry.deps, expiry), 0);
  });

  test("at most so many go at once, the oldest first", async (t) => {
    const registry = await openTestRegistry(open, t);
    await begin(registry, "1");
    registry.advance(1);
    const younger = await begin(registry, "2");
    registry.advance(2 * hour);
    assert.equal(await expireUploads(registry.deps, { ...expiry, limit: 1 }), 1);
    assert.deepEqual(await storedObjects(registry), [`upload ${younger.id}`]);
    assert.equal(await expireUploads(registry.deps, { ...expiry, limit: 1 }), 1);
    await assertNothingIsLeft(registry);
  });

  test("an upload that is being written does not expire, however long it takes", async (t) => {
    const registry = await openTestRegistry(open, t);
    const target = await begin(registry, "abc");
    const body = gatedBody();
    registry.advance(2 * hour);
    const chunk = { body: body.stream, range: undefined };
    const appending = appendToUpload(registry.deps, registry.call(), target, chunk);
    await body.send(bytesOf("def"));
    assert.equal(await expireUploads(registry.deps, { ...expiry, expiryMs: -1 }), 0);
    body.end();
    assert.equal(await appending, 6);
  });

  test("what could not be dropped expires again", async (t) => {
    const registry = await openTestRegistry(open, t);
    await begin(registry, "abc");
    registry.advance(2 * hour);
    registry.faults.arm({ what: "before blob-store call", at: 1 });
    await assert.rejects(expireUploads(registry.deps, expiry), InjectedFault);
    registry.faults.disarm();
    assert.equal(await expireUploads(registry.deps, expiry), 0, "its claim is still held");
    registry.advance(30_000);
    assert.equal(await expireUploads(registry.deps, expiry), 1);
    await assertNothingIsLeft(registry);
  });

  test("an upload that a client has taken over from a slow expiry lives, and so does its blob", async (t) => {
    const registry = await openTestRegistry(open, t);
    const slow = await begin(registry, "slow");
    registry.advance(1);
    const resumed = await begin(registry, "abc");
    registry.advance(2 * hour);
    let isResumed = false;
    const { deps } = registry;
    const stalling = {
      ...deps,
      blobs: {
        ...deps.blobs,
        discardUpload: async (...upload: Parameters<typeof deps.blobs.discardUpload>) => {
          await deps.blobs.discardUpload(...upload);
          if (isResumed) return;
          isResumed = true;
          registry.advance(60_000);
          const digest = digestOf("abc");
          await completeUpload(
            registry.instance("instance-2"),
            registry.call(),
            { ...resumed, digest },
            undefined,
          );
        },
      },
    };
    assert.equal(await expireUploads(stalling, expiry), 1, "only what it dropped counts");
    assert.equal(await readBlob(deps, repository, digestOf("abc")), "abc");
    await assert.rejects(getUpload(deps, slow), { code: "BLOB_UPLOAD_UNKNOWN" });
    await checkInvariants(registry.database, registry.blobs);
  });

  test("an expiry that was frozen while a client came back drops nothing, least of all the blob that was made meanwhile", async (t) => {
    const registry = await openTestRegistry(open, t);
    const elsewhere = registry.instance("instance-2");
    const closed = await begin(registry, "abc");
    const digest = digestOf("abc");
    // An attempt to close it that failed: from then on its bytes may lie where those of the blob do.
    registry.faults.arm({ what: "before blob-store call", at: 1 });
    await assert.rejects(
      completeUpload(registry.deps, registry.call(), { ...closed, digest }, undefined),
      InjectedFault,
    );
    registry.faults.disarm();
    const goesOn = await begin(registry, "de");
    registry.advance(2 * hour);
    const comeBack = new Map<unknown, () => Promise<unknown>>([
      [closed.id, () => completeUpload(elsewhere, registry.call(), { ...closed, digest }, undefined)],
      [goesOn.id, () => appendToUpload(elsewhere, registry.call(), goesOn, chunkOf(bytesOf("f")))],
    ]);
    const { database } = registry.deps;
    const frozen: typeof database.transaction = async (work, options) => {
      const result = await database.transaction(work, options);
      const [claimed] = Array.isArray(result) ? (result as { readonly id?: unknown }[]) : [];
      const happen = comeBack.get(claimed?.id);
      if (happen !== undefined) registry.advance(9_000);
      await happen?.();
      return result;
    };
    assert.equal(
      await expireUploads({ ...registry.deps, database: { ...database, transaction: frozen } }, expiry),
      0,
    );
    assert.equal(await readBlob(registry.instance("instance-3"), repository, digest), "abc");
    const def = digestOf("def");
    await completeUpload(elsewhere, registry.call(), { ...goesOn, digest: def }, undefined);
    assert.equal(await readBlob(registry.instance("instance-3"), repository, def), "def");
    await checkInvariants(registry.database, registry.blobs);
  });
});

async function begin(registry: TestRegistry, text: string) {
  const id = await beginUpload(registry.deps, registry.call(), { repository, algorithm: "sha256" });
  await appendToUpload(registry.deps, registry.call(), { repository, id }, chunkOf(bytesOf(text)));
  return { repository, id };
}

async function assertNothingIsLeft(registry: TestRegistry): Promise<void> {
  assert.deepEqual(await storedObjects(registry), []);
  assert.deepEqual(await registry.database.read.selectFrom("uploads").select("id").execute(), []);
}
