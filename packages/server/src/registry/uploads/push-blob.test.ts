import assert from "node:assert/strict";
import { test } from "node:test";
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
import { openTestRegistry } from "../testing/open-test-registry.ts";
import { pushBlob } from "./push-blob.ts";

const repository = repositoryName("library/app");

eachDatabase((open) => {
  test("pushes a blob in one request, and once more", async (t) => {
    const registry = await openTestRegistry(open, t);
    for (const text of ["abc", "", "abc"]) {
      const digest = await push(registry, repository, text);
      assert.equal(await readBlob(registry.deps, repository, digest), text);
    }
    const sha512 = digestOf("abc", "sha512");
    const target = { repository, digest: sha512 };
    await pushBlob(registry.deps, registry.call(), target, chunkOf(bytesOf("abc")));
    assert.equal(await readBlob(registry.deps, repository, sha512), "abc");
    assert.equal((await storedObjects(registry)).length, 3);
    await checkInvariants(registry.database, registry.blobs);
  });

  test("leaves nothing when it fails: wrong digest, broken connection, wrong range", async (t) => {
    const registry = await openTestRegistry(open, t);
    const target = { repository, digest: digestOf("abc") };
    const failures = [
      [chunkOf(bytesOf("xyz")), "DIGEST_INVALID"],
      [{ body: brokenBody(bytesOf("abc")), range: undefined }, "BLOB_UPLOAD_INVALID"],
      [chunkOf(bytesOf("abc"), 1), "RANGE_INVALID"],
      [{ ...chunkOf(bytesOf("abc")), range: { start: 0, end: 9 } }, "SIZE_INVALID"],
    ] as const;
    for (const [chunk, code] of failures) {
      await assert.rejects(pushBlob(registry.deps, registry.call(), target, chunk), { code });
      assert.deepEqual(await storedObjects(registry), []);
      assert.deepEqual(await registry.database.read.selectFrom("uploads").select("id").execute(), []);
      assert.deepEqual(await registry.database.read.selectFrom("blobs").select("id").execute(), []);
    }
  });

  test("tells the first error even if the upload cannot be dropped, which then expires", async (t) => {
    const registry = await openTestRegistry(open, t);
    const target = { repository, digest: digestOf("abc") };
    // openUpload, append, sync
    registry.faults.arm({ what: "before blob-store call", at: 3, andAllAfter: true });
    await assert.rejects(
      pushBlob(registry.deps, registry.call(), target, chunkOf(bytesOf("abc"))),
      (error) => error instanceof InjectedFault && error.message.includes("sync"),
    );
    registry.faults.disarm();
    assert.deepEqual(
      registry.lines.map(({ message }) => message),
      ["could not drop the upload of a failed push"],
    );
    await checkInvariants(registry.database, registry.blobs);
  });
});
