import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../../lib/app-error.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { checkInvariants } from "../testing/check-invariants.ts";
import {
  brokenBody,
  bytesOf,
  chunkOf,
  digestOf,
  hexOf,
  readBlob,
  repositoryName,
  storedObjects,
} from "../testing/content.ts";
import { gatedBody } from "../testing/gated-body.ts";
import { openTestRegistry, type TestRegistry } from "../testing/open-test-registry.ts";
import { appendToUpload } from "./append-to-upload.ts";
import { beginUpload } from "./begin-upload.ts";
import { completeUpload } from "./complete-upload.ts";
import { getUpload } from "./get-upload.ts";

const repository = repositoryName("library/app");

eachDatabase((open) => {
  test("appends chunks in order and tells the size after each", async (t) => {
    const { registry, target, append, offset } = await openUpload(t);
    assert.equal(await append(bytesOf("one "), 0), 4);
    assert.equal(await append(bytesOf("two "), 4), 8);
    assert.equal(await append(bytesOf("three")), 13, "a streamed body needs no range");
    assert.equal(await offset(), 13);
    const { digestSoFar } = await getUpload(registry.deps, target);
    assert.equal(digestSoFar, hexOf(bytesOf("one two three")));
    await checkInvariants(registry.database, registry.blobs);
  });

  test("an empty chunk changes nothing", async (t) => {
    const { append, offset } = await openUpload(t);
    await append(bytesOf("abc"));
    assert.equal(await append(Buffer.alloc(0)), 3);
    assert.equal(await offset(), 3);
  });

  test("refuses a chunk that does not start at the current offset, and the upload survives", async (t) => {
    const { registry, append, complete, offset } = await openUpload(t);
    await append(bytesOf("abc"), 0);
    for (const start of [0, 2, 4]) {
      await assert.rejects(append(bytesOf("xyz"), start), (error) => {
        assert.ok(error instanceof AppError);
        assert.equal(error.code, "RANGE_INVALID");
        assert.deepEqual(error.detail, { offset: 3 });
        return true;
      });
    }
    assert.equal(await offset(), 3);
    await append(bytesOf("def"), 3);
    const digest = await complete("abcdef");
    assert.equal(await readBlob(registry.deps, repository, digest), "abcdef");
  });

  test("refuses a body that is shorter or longer than its Content-Range, and keeps none of it", async (t) => {
    const { registry, target, append, complete, offset } = await openUpload(t);
    await append(bytesOf("abc"), 0);
    for (const end of [4, 6]) {
      const { body } = chunkOf(bytesOf("def"));
      await assert.rejects(
        appendToUpload(registry.deps, registry.call(), target, { body, range: { start: 3, end } }),
        { code: "SIZE_INVALID" },
      );
      assert.equal(await offset(), 3);
    }
    const digest = await complete("abc");
    assert.equal(await readBlob(registry.deps, repository, digest), "abc");
    await checkInvariants(registry.database, registry.blobs);
  });

  test("keeps what came when the client breaks off, so that it can resume there", async (t) => {
    const { registry, target, append, complete, offset } = await openUpload(t);
    await append(bytesOf("abc"));
    for (const range of [undefined, { start: 3, end: 99 }]) {
      const before = await offset();
      const chunk = { body: brokenBody(bytesOf("def")), range: range && { ...range, start: before } };
      await assert.rejects(
        appendToUpload(registry.deps, registry.call(), target, chunk),
        (error) =>
          error instanceof AppError &&
          error.code === "BLOB_UPLOAD_INVALID" &&
          error.message.includes(`${before + 3} bytes`) &&
          error.cause instanceof Error,
      );
      assert.equal(await offset(), before + 3);
    }
    await checkInvariants(registry.database, registry.blobs);
    const digest = await complete("abcdefdef");
    assert.equal(await readBlob(registry.deps, repository, digest), "abcdefdef");
  });

  test("keeps what came when the request is given up", async (t) => {
    const { registry, target, offset } = await openUpload(t);
    const request = new AbortController();
    const body = gatedBody();
    const call = registry.call({ signal: request.signal });
    const appending = appendToUpload(registry.deps, call, target, { body: body.stream, range: undefined });
    await body.send(bytesOf("abc"));
    request.abort();
    await assert.rejects(appending, { code: "BLOB_UPLOAD_INVALID" });
    assert.equal(await offset(), 3);
  });

  test("gives the room back when the disk is full, and the upload goes on once there is room", async (t) => {
    const { registry, append, complete, offset } = await openUpload(t);
    await append(bytesOf("abc"));
    const error = new AppError("STORAGE_FULL", "the disk is full");
    // openUpload, append, sync
    registry.faults.arm({ what: "after blob-store call", at: 2, error });
    await assert.rejects(append(bytesOf("def")), { code: "STORAGE_FULL" });
    registry.faults.disarm();
    assert.equal(await offset(), 3);
    const sizes: number[] = [];
    for await (const { sizeBytes } of registry.blobs.list()) sizes.push(sizeBytes);
    assert.deepEqual(sizes, [3]);
    await append(bytesOf("def"), 3);
    assert.equal(await readBlob(registry.deps, repository, await complete("abcdef")), "abcdef");
  });

  test("tells of the full disk even if cutting back fails, too", async (t) => {
    const { registry, append, offset } = await openUpload(t);
    const error = new AppError("STORAGE_FULL", "the disk is full");
    registry.faults.arm({ what: "after blob-store call", at: 2, andAllAfter: true, error });
    await assert.rejects(append(bytesOf("def")), { code: "STORAGE_FULL" });
    registry.faults.disarm();
    assert.equal(await offset(), 0);
    assert.deepEqual(
      registry.lines.map(({ level, message }) => `${level}: ${message}`),
      ["warn: could not cut an upload back after the disk was full"],
    );
  });

  test("an upload is unknown in another repository, and nothing is written there", async (t) => {
    const { registry, target, offset } = await openUpload(t);
    const other = repositoryName("library/other");
    const elsewhere = { ...target, repository: other };
    await assert.rejects(appendToUpload(registry.deps, registry.call(), elsewhere, chunkOf(bytesOf("abc"))), {
      code: "BLOB_UPLOAD_UNKNOWN",
    });
    await assert.rejects(getUpload(registry.deps, elsewhere), { code: "BLOB_UPLOAD_UNKNOWN" });
    assert.equal(await offset(), 0);
    assert.deepEqual(await storedObjects(registry), []);
  });

  test("a restart resumes: the bytes so far are hashed again", async (t) => {
    const { registry, target, append } = await openUpload(t);
    const long = Buffer.alloc(2_500_000, "entrepot");
    await append(long);
    const deps = registry.instance("instance-1");
    const size = await appendToUpload(
      deps,
      registry.call(),
      target,
      chunkOf(bytesOf("end"), long.byteLength),
    );
    assert.equal(size, long.byteLength + 3);
    const whole = Buffer.concat([long, bytesOf("end")]);
    await completeUpload(deps, registry.call(), { ...target, digest: digestOf(whole) }, undefined);
    await checkInvariants(registry.database, registry.blobs);
  });

  test("does not trust bytes that the store has lost", async (t) => {
    const { registry, target, append, offset } = await openUpload(t);
    await append(bytesOf("abcdef"));
    const writer = await registry.blobs.openUpload(target.id, 3);
    await writer.close();
    const deps = registry.instance("instance-1");
    await assert.rejects(appendToUpload(deps, registry.call(), target, chunkOf(bytesOf("ghi"))), {
      code: "BLOB_UPLOAD_UNKNOWN",
    });
    assert.equal(await offset(), 6, "the client learns by the next error, never by a shrinking offset");
  });

  test("does not go on from bytes that end before the offset", async (t) => {
    const { registry, target, append } = await openUpload(t);
    await append(bytesOf("abcdef"));
    const restarted = registry.instance("instance-1");
    const openUploadForReading: typeof restarted.blobs.openUploadForReading = async (id, size) => ({
      ...(await restarted.blobs.openUploadForReading(id, size)),
      read: async () => 0,
    });
    const deps = { ...restarted, blobs: { ...restarted.blobs, openUploadForReading } };
    await assert.rejects(
      appendToUpload(deps, registry.call(), target, chunkOf(bytesOf("ghi"))),
      /ends after 0 of 6 bytes/,
    );
  });

  async function openUpload(t: Parameters<typeof openTestRegistry>[1]) {
    const registry = await openTestRegistry(open, t);
    return { registry, ...(await begin(registry)) };
  }
});

async function begin(registry: TestRegistry) {
  const id = await beginUpload(registry.deps, registry.call(), { repository, algorithm: "sha256" });
  const target = { repository, id };
  return {
    target,
    append: (bytes: Uint8Array, start?: number) =>
      appendToUpload(registry.deps, registry.call(), target, chunkOf(bytes, start)),
    offset: async () => (await getUpload(registry.deps, target)).offsetBytes,
    complete: async (text: string) => {
      const digest = digestOf(text);
      await completeUpload(registry.deps, registry.call(), { ...target, digest }, undefined);
      return digest;
    },
  };
}
