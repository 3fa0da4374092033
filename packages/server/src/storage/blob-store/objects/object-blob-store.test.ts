import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { AppError } from "../../../lib/app-error.ts";
import { blobStoreContract, digestOf, id, put, readAll, write } from "../blob-store.contract.ts";
import { createMemoryMedium } from "../testing/memory-medium.ts";
import { createObjectBlobStore } from "./object-blob-store.ts";

const tiny = { partBytes: 64, maxParts: 3 };
const reply = { expiresSeconds: 60, contentType: "application/octet-stream", cacheControl: "private" };

blobStoreContract("objects in tiny parts", async () => ({
  store: createObjectBlobStore(createMemoryMedium(tiny)),
  dispose: async () => {},
}));

describe("an upload on an object store", () => {
  test("in one chunk is one object, made by four requests, which an address can be signed for", async () => {
    const medium = createMemoryMedium({ partBytes: 8_388_608, maxParts: 10_000 });
    const store = createObjectBlobStore(medium);
    const location = await put(store, "u1", randomBytes(1_000));
    assert.deepEqual(medium.requests, ["list", "put", "list", "put"]);
    assert.equal(medium.objects.size, 2, "the bytes, and the index");
    const url = (await store.signUrl(location, reply)) ?? "";
    assert.equal(medium.objects.get(new URL(url).pathname.slice(1))?.byteLength, 1_000);
  });

  test("in several large chunks keeps them as they came: nothing is read or copied to commit", async () => {
    const medium = createMemoryMedium(tiny);
    const store = createObjectBlobStore(medium);
    const bytes = randomBytes(1_500);
    for (const [from, to] of [[0, 500] as const, [500, 1_000] as const, [1_000, 1_500] as const]) {
      await write(store, "u1", from, bytes.subarray(from, to));
    }
    const before = medium.requests.length;
    const location = await store.commitUpload(id("u1"), digestOf(bytes), 1_500);
    assert.deepEqual(medium.requests.slice(before), ["list", "put"]);
    assert.equal(await store.signUrl(location, reply), undefined, "an address is for one object only");
    const reader = await store.openBlob(location);
    assert.deepEqual(await readAll(reader), bytes);
  });

  test("in many tiny chunks does not become many objects, nor are its bytes written again and again", async () => {
    const medium = createMemoryMedium({ partBytes: 65_536, maxParts: 100 });
    const store = createObjectBlobStore(medium);
    const bytes = randomBytes(20_000);
    for (let offset = 0; offset < bytes.byteLength; offset += 20) {
      await write(store, "u1", offset, bytes.subarray(offset, offset + 20));
      if (offset % 2_000 === 0) assert.ok(medium.objects.size <= 10, `${medium.objects.size} objects`);
    }
    await store.commitUpload(id("u1"), digestOf(bytes), bytes.byteLength);
  });

  test("written by two at once is refused, not guessed at", async () => {
    const medium = createMemoryMedium(tiny);
    const store = createObjectBlobStore(medium);
    const first = await store.openUpload(id("u1"), 0);
    const second = await store.openUpload(id("u1"), 0);
    await first.append([Buffer.from("abc")]);
    await second.append([Buffer.from("xyz")]);
    await first.sync();
    await second.sync();
    await assert.rejects(store.commitUpload(id("u1"), digestOf("abc"), 3), { code: "BLOB_UPLOAD_UNKNOWN" });
    await assert.rejects(store.openUpload(id("u1"), 3), { code: "BLOB_UPLOAD_UNKNOWN" });
    await write(store, "u1", 0, Buffer.from("again"));
    await store.commitUpload(id("u1"), digestOf("again"), 5);
  });

  test("that is committed a second time with other bytes is another blob; dropping the first leaves it", async () => {
    const medium = createMemoryMedium(tiny);
    const store = createObjectBlobStore(medium);
    const first = await put(store, "u1", Buffer.from("aaa"));
    const second = await put(store, "u1", Buffer.from("bbb"));
    assert.notEqual(first, second);
    await store.discardUpload(id("u1"), digestOf("aaa"));
    const reader = await store.openBlob(second);
    assert.equal((await readAll(reader)).toString(), "bbb");
    await reader.close();
    await assert.rejects(store.openBlob(first), { code: "BLOB_UNKNOWN" });
    await store.deleteBlob(second);
    assert.equal(medium.objects.size, 0);
  });

  test("of which a writer died before it ended leaves an unfinished object that is listed and discarded", async () => {
    const medium = createMemoryMedium(tiny);
    const store = createObjectBlobStore(medium);
    const writer = await store.openUpload(id("u1"), 0);
    await writer.append([randomBytes(200)]);
    const listed = async () => {
      const found: string[] = [];
      for await (const { kind, name } of store.list()) found.push(`${kind} ${name}`);
      return found;
    };
    assert.deepEqual(await listed(), ["upload u1"]);
    await store.discardUpload(id("u1"));
    assert.deepEqual(await listed(), []);
    assert.equal(medium.unfinished.size, 0);
  });

  test("holds two parts at most, whatever the size", async () => {
    const medium = createMemoryMedium({ partBytes: 1_048_576, maxParts: 10_000 });
    const store = createObjectBlobStore({
      ...medium,
      // Keeps nothing, so that what grows is the writer.
      begin: async () => ({ writePart: async () => {}, complete: async () => {}, abort: async () => {} }),
    });
    const writer = await store.openUpload(id("u1"), 0);
    const chunk = randomBytes(1_048_576);
    for (let index = 0; index < 20; index++) await writer.append([chunk]);
    const before = await heldBytes();
    for (let index = 0; index < 300; index++) await writer.append([chunk]);
    const grownBytes = (await heldBytes()) - before;
    assert.ok(grownBytes < 4_194_304, `grew by ${grownBytes} bytes`);
    await writer.close();
  });
});

/** What buffers take once those that nobody holds are gone. */
async function heldBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  for (let round = 0; round < 3; round++) {
    runInNewContext("gc")();
    await nextTurn();
  }
  return process.memoryUsage().arrayBuffers;
}

/** A step of a client: some bytes that are acknowledged, or lost because the instance dies at its n-th request. */
const step = fc.record({
  sizeBytes: fc.integer({ min: 0, max: 300 }),
  diesAt: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
  diesAfter: fc.boolean(),
});

test("whatever dies in between, what was acknowledged becomes the blob, byte for byte, and nothing is left when it goes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      let left: number | undefined;
      let moment: "before" | "after" = "before";
      const medium = createMemoryMedium(tiny, (_name, when) => {
        if (left === undefined) return;
        // Dead: nothing that it still asks for arrives.
        if (left === 0) throw new Error("the instance died");
        if (when !== moment) return;
        left -= 1;
        if (left === 0) throw new Error("the instance died");
      });
      let acknowledged = Buffer.alloc(0);
      for (const { sizeBytes, diesAt, diesAfter } of steps) {
        // Every step on another instance: nothing is remembered.
        const store = createObjectBlobStore(medium);
        const bytes = randomBytes(sizeBytes);
        left = diesAt;
        moment = diesAfter ? "after" : "before";
        try {
          await write(store, "u1", acknowledged.byteLength, bytes);
          acknowledged = Buffer.concat([acknowledged, bytes]);
        } catch (error) {
          if (!(error instanceof Error && error.message === "the instance died")) throw error;
        }
        left = undefined;
        if (acknowledged.byteLength > 0) {
          const reader = await createObjectBlobStore(medium).openUploadForReading(
            id("u1"),
            acknowledged.byteLength,
          );
          assert.deepEqual(await readAll(reader), acknowledged, "another instance can hash what came");
        }
      }
      const store = createObjectBlobStore(medium);
      const digest = digestOf(acknowledged);
      const size = acknowledged.byteLength;
      // As commit-blob.ts does when more lies there than is recorded.
      const commit = async () => {
        try {
          return await store.commitUpload(id("u1"), digest, size);
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          await (await store.openUpload(id("u1"), size)).close();
          return store.commitUpload(id("u1"), digest, size);
        }
      };
      const location = await commit();
      assert.equal(await createObjectBlobStore(medium).commitUpload(id("u1"), digest, size), location);
      const reader = await createObjectBlobStore(medium).openBlob(location);
      assert.deepEqual(await readAll(reader), acknowledged);
      await reader.close();
      await store.deleteBlob(location);
      await store.discardUpload(id("u1"));
      assert.deepEqual([...medium.objects.keys(), ...medium.unfinished.keys()], []);
    }),
    { numRuns: 300 },
  );
});
