import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { digestOf, id, readAll, write } from "../blob-store.contract.ts";
import type { BlobLocation, BlobStore } from "../blob-store.ts";

/**
 * Pushes random bytes in two chunks, the second by another store of the same place, as another instance would; reads them back and deletes the blob. What is left is the
 * caller's to look at.
 */
export async function pushInChunks(
  first: BlobStore,
  second: BlobStore,
  sizes: readonly [firstBytes: number, totalBytes: number],
): Promise<void> {
  const [firstBytes, totalBytes] = sizes;
  const bytes = randomBytes(totalBytes);
  await write(first, "u1", 0, bytes.subarray(0, firstBytes));
  await write(second, "u1", firstBytes, bytes.subarray(firstBytes));
  const location = await second.commitUpload(id("u1"), digestOf(bytes), totalBytes);
  await expectBytes(second, location, bytes);
  await second.deleteBlob(location);
}

/** That the blob is these bytes. */
export async function expectBytes(
  store: BlobStore,
  location: BlobLocation,
  bytes: Uint8Array,
): Promise<void> {
  const reader = await store.openBlob(location);
  try {
    assert.deepEqual(await readAll(reader), bytes);
  } finally {
    await reader.close();
  }
}

/** That nothing is left, as the store itself tells. */
export async function expectNothingLeft(store: BlobStore): Promise<void> {
  for await (const { kind, name } of store.list()) assert.fail(`${kind} ${name} is left`);
}
