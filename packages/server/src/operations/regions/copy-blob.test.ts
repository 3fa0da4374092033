import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf, write } from "../../storage/blob-store/blob-store.contract.ts";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import { createObjectBlobStore } from "../../storage/blob-store/objects/object-blob-store.ts";
import type { ObjectMedium } from "../../storage/blob-store/objects/object-medium.ts";
import { uploadIdIn } from "../../storage/blob-store/regions/region-name.ts";
import { createRegionWatch } from "../../storage/blob-store/regions/region-watch.ts";
import { withRegions } from "../../storage/blob-store/regions/with-regions.ts";
import { createMemoryMedium } from "../../storage/blob-store/testing/memory-medium.ts";
import { copyBlob } from "./copy-blob.ts";

const clock = { nowMs: () => 0 };
const { signal } = new AbortController();
const text = "some bytes";
const upload = uploadIdIn("eu", "u1");

/** An object store, and what it is made of. */
function objects() {
  const medium = createMemoryMedium({ partBytes: 65_536, maxParts: 100 });
  return { medium, store: createObjectBlobStore(medium) };
}

async function keysOf(medium: ObjectMedium): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const { key } of medium.list("")) keys.push(key);
  return keys;
}

async function push(store: BlobStore) {
  await write(store, upload, 0, Buffer.from(text));
  return store.commitUpload(upload, digestOf(text), text.length);
}

test("a copy of which only the list of its parts is there is made anew", async () => {
  const [eu, us] = [objects(), objects()];
  const region = (name: string, store: BlobStore) => ({ name, store, watch: createRegionWatch(clock) });
  const target = region("us", us.store);
  const regional = withRegions([region("eu", eu.store), target]);
  const blob = { digest: digestOf(text), sizeBytes: text.length, location: await push(eu.store) };
  assert.equal(await copyBlob(regional, blob, target, signal), text.length);
  assert.equal(await copyBlob(regional, blob, target, signal), 0, "it is there");
  const whole = await keysOf(us.medium);
  // The longest name is that of the list, which tells the digest.
  const list = whole.toSorted((left, right) => right.length - left.length)[0] ?? "";
  await us.medium.delete(whole.filter((key) => key !== list));
  assert.equal(await copyBlob(regional, blob, target, signal), text.length);
  const reader = await us.store.openBlob(blob.location);
  const bytes = Buffer.alloc(text.length);
  await reader.read(bytes, 0);
  await reader.close();
  assert.equal(bytes.toString(), text);
});
