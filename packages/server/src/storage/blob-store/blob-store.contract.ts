import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { type Digest, makeDigest } from "@entrepot/oci/digest";
import type { BlobLocation, BlobReader, BlobStore, UploadId } from "./blob-store.ts";
import { locationOf } from "./names.ts";

export interface StoreUnderTest {
  readonly store: BlobStore;
  dispose(): Promise<void>;
}

/** The suite that every driver and every wrapper passes: what `BlobStore` promises, said by tests. */
export function blobStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  const it = (sentence: string, work: (store: BlobStore) => Promise<void>) =>
    void test(sentence, async () => {
      const opened = await open();
      const { store } = opened;
      try {
        await work(store);
        assert.deepEqual(await listed(store), [], "nothing is left behind");
        await store.close();
      } finally {
        await opened.dispose();
      }
    });

  describe(`${name} keeps the contract of a blob store`, () => {
    for (const sizeBytes of [0, 1, 65_537, 1_048_576]) {
      it(`gives ${sizeBytes} bytes back as they came`, async (store) => {
        const bytes = randomBytes(sizeBytes);
        const location = await put(store, "u1", bytes);
        const reader = await store.openBlob(location);
        assert.equal(reader.sizeBytes, sizeBytes);
        assert.deepEqual(await readAll(reader), bytes);
        await reader.close();
        await store.deleteBlob(location);
      });
    }

    it("appends many chunks in order, empty ones among them", async (store) => {
      const chunks = Array.from({ length: 1_500 }, (_, index) => randomBytes(index % 5));
      const writer = await store.openUpload(id("u1"), 0);
      await writer.append(chunks.slice(0, 1_400));
      await writer.append([]);
      await writer.append(chunks.slice(1_400));
      await writer.sync();
      await writer.close();
      await writer.close();
      const bytes = Buffer.concat(chunks);
      const reader = await store.openUploadForReading(id("u1"), bytes.byteLength);
      assert.deepEqual(await readAll(reader), bytes);
      await reader.close();
      await store.discardUpload(id("u1"));
    });

    it("goes on at an offset and cuts off what lies beyond it", async (store) => {
      await write(store, "u1", 0, Buffer.from("abcdef"));
      await write(store, "u1", 3, Buffer.from("XY"));
      const location = await store.commitUpload(id("u1"), digestOf("abcXY"), 5);
      const reader = await store.openBlob(location);
      assert.equal((await readAll(reader)).toString(), "abcXY");
      await reader.close();
      await store.deleteBlob(location);
    });

    it("refuses to go on where fewer bytes are than it should have", async (store) => {
      await assert.rejects(store.openUpload(id("u1"), 1), { code: "BLOB_UPLOAD_UNKNOWN" });
      await write(store, "u1", 0, Buffer.from("abc"));
      await assert.rejects(store.openUpload(id("u1"), 4), { code: "BLOB_UPLOAD_UNKNOWN" });
      await assert.rejects(store.openUploadForReading(id("u1"), 4), { code: "BLOB_UPLOAD_UNKNOWN" });
      await store.discardUpload(id("u1"));
    });

    it("commits once more with the same answer, as after a crash", async (store) => {
      await write(store, "u1", 0, Buffer.from("abc"));
      const location = await store.commitUpload(id("u1"), digestOf("abc"), 3);
      assert.equal(await store.commitUpload(id("u1"), digestOf("abc"), 3), location);
      await store.deleteBlob(location);
    });

    it("refuses to commit what is not there or has another size", async (store) => {
      await assert.rejects(store.commitUpload(id("u1"), digestOf("abc"), 3), { code: "BLOB_UPLOAD_UNKNOWN" });
      await write(store, "u1", 0, Buffer.from("abc"));
      await assert.rejects(store.commitUpload(id("u1"), digestOf("abcd"), 4), {
        code: "BLOB_UPLOAD_UNKNOWN",
      });
      await store.discardUpload(id("u1"));
    });

    it("replaces what lies there already and is not whole", async (store) => {
      await write(store, "u1", 0, Buffer.from("abc"));
      await store.commitUpload(id("u1"), digestOf("abcde"), 3);
      await write(store, "u1", 0, Buffer.from("abcde"));
      const location = await store.commitUpload(id("u1"), digestOf("abcde"), 5);
      const reader = await store.openBlob(location);
      assert.equal((await readAll(reader)).toString(), "abcde");
      await reader.close();
      await store.deleteBlob(location);
      for await (const { name } of store.list()) assert.doesNotMatch(name, /u1/, "nothing is left of it");
    });

    it("tells whether all of a blob is there, of its size, and only after it was committed", async (store) => {
      for (const bytes of [Buffer.alloc(0), randomBytes(200_000)]) {
        const { byteLength } = bytes;
        const upload = `u-${byteLength}`;
        const digest = digestOf(bytes);
        const half = Math.floor(byteLength / 2);
        await write(store, upload, 0, bytes.subarray(0, half));
        await write(store, upload, half, bytes.subarray(half));
        const expected = locationOf(id(upload), digest);
        assert.equal(await store.hasWhole(expected, byteLength), false, "not before the commit");
        const location = await store.commitUpload(id(upload), digest, byteLength);
        assert.equal(location, expected);
        assert.equal(await store.hasWhole(location, byteLength), true);
        assert.equal(await store.hasWhole(location, byteLength + 1), false);
        await store.deleteBlob(location);
        assert.equal(await store.hasWhole(location, byteLength), false);
      }
    });

    it("takes sha512 digests", async (store) => {
      await write(store, "u1", 0, Buffer.from("abc"));
      const digest = makeDigest("sha512", createHash("sha512").update("abc").digest("hex"));
      const location = await store.commitUpload(id("u1"), digest, 3);
      await store.deleteBlob(location);
    });

    it("never gives two uploads of one content the same location", async (store) => {
      const first = await put(store, "u1", Buffer.from("same"));
      const second = await put(store, "u2", Buffer.from("same"));
      assert.notEqual(first, second);
      await store.deleteBlob(first);
      const reader = await store.openBlob(second);
      assert.equal((await readAll(reader)).toString(), "same", "deleting one leaves the other");
      await reader.close();
      await store.deleteBlob(second);
    });

    it("discards an upload in any state", async (store) => {
      await store.discardUpload(id("never"));
      await write(store, "u1", 0, Buffer.from("abc"));
      await store.discardUpload(id("u1"));
      await write(store, "u2", 0, Buffer.from("abc"));
      await store.commitUpload(id("u2"), digestOf("abc"), 3);
      await store.discardUpload(id("u2"), digestOf("abc"));
    });

    it("reads at any position, overlapping, and past the end", async (store) => {
      const bytes = randomBytes(300_000);
      const location = await put(store, "u1", bytes);
      const reader = await store.openBlob(location);
      const at = async (position: number, length: number) => {
        const buffer = Buffer.alloc(length);
        return buffer.subarray(0, await reader.read(buffer, position));
      };
      const parts = await Promise.all([
        at(0, 10),
        at(250_000, 100_000),
        at(100_000, 7),
        at(300_000, 5),
        at(400_000, 5),
      ]);
      assert.deepEqual(parts, [
        bytes.subarray(0, 10),
        bytes.subarray(250_000),
        bytes.subarray(100_000, 100_007),
        Buffer.alloc(0),
        Buffer.alloc(0),
      ]);
      await reader.close();
      await store.deleteBlob(location);
    });

    it("lets readers that are open finish when a blob is deleted", async (store) => {
      const bytes = randomBytes(100_000);
      const location = await put(store, "u1", bytes);
      const reader = await store.openBlob(location);
      await store.deleteBlob(location);
      await store.deleteBlob(location);
      assert.deepEqual(await readAll(reader), bytes);
      await reader.close();
      await assert.rejects(store.openBlob(location), { code: "BLOB_UNKNOWN" });
    });

    it("lists exactly what it holds", async (store) => {
      await write(store, "u1", 0, Buffer.from("upload"));
      const location = await put(store, "u2", Buffer.from("blob"));
      assert.deepEqual(await listed(store), [`blob ${location} 4`, "upload u1 6"].sort());
      await store.discardUpload(id("u1"));
      await store.deleteBlob(location);
    });

    it("refuses ids and locations that would lead elsewhere", async (store) => {
      const digest = digestOf("x");
      for (const hostile of ["../x", "a/b", "", "A", "x".repeat(65), "a\0b", ".."]) {
        await assert.rejects(async () => store.openUpload(id(hostile), 0), hostile);
        await assert.rejects(async () => store.discardUpload(id(hostile), digest), hostile);
        await assert.rejects(async () => store.commitUpload(id(hostile), digest, 1), hostile);
      }
      for (const hostile of ["../../etc/passwd", "sha256/aa/../../x", "/etc/passwd", "", "sha256/aa/aa.x"]) {
        // as: what a damaged row could hold
        await assert.rejects(async () => store.openBlob(hostile as BlobLocation), hostile);
        await assert.rejects(async () => store.deleteBlob(hostile as BlobLocation), hostile);
        await assert.rejects(async () => store.hasWhole(hostile as BlobLocation, 1), hostile);
      }
    });

    it("probes without leaving anything", (store) => store.probe());
  });
}

/** Uploads and commits bytes in one go. */
export async function put(store: BlobStore, upload: string, bytes: Buffer): Promise<BlobLocation> {
  await write(store, upload, 0, bytes);
  return store.commitUpload(id(upload), digestOf(bytes), bytes.byteLength);
}

export async function write(store: BlobStore, upload: string, offset: number, bytes: Buffer): Promise<void> {
  const writer = await store.openUpload(id(upload), offset);
  try {
    await writer.append([bytes]);
    await writer.sync();
  } finally {
    await writer.close();
  }
}

export async function readAll(reader: BlobReader): Promise<Buffer> {
  const bytes = Buffer.alloc(reader.sizeBytes);
  assert.equal(await reader.read(bytes, 0), reader.sizeBytes);
  return bytes;
}

export function digestOf(content: string | Uint8Array): Digest {
  return makeDigest("sha256", createHash("sha256").update(content).digest("hex"));
}

/** As: tests name uploads freely, hostile names among them. */
export function id(text: string): UploadId {
  return text as UploadId;
}

async function listed(store: BlobStore): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { kind, name, sizeBytes } of store.list()) found.push(`${kind} ${name} ${sizeBytes}`);
  return found.sort();
}
