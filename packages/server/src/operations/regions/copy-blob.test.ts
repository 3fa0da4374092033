import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { digestOf, readAll, write } from "../../storage/blob-store/blob-store.contract.ts";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import { locationOf } from "../../storage/blob-store/names.ts";
import { createObjectBlobStore } from "../../storage/blob-store/objects/object-blob-store.ts";
import type { ListedObject, ObjectMedium } from "../../storage/blob-store/objects/object-medium.ts";
import { uploadIdIn } from "../../storage/blob-store/regions/region-name.ts";
import { createRegionWatch } from "../../storage/blob-store/regions/region-watch.ts";
import { withRegions } from "../../storage/blob-store/regions/with-regions.ts";
import { createMemoryMedium } from "../../storage/blob-store/testing/memory-medium.ts";
import { copyBlob, hasBlob } from "./copy-blob.ts";

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
  const made = { isNew: true, bytes: text.length };
  assert.deepEqual(await copyBlob(regional, blob, target, signal), made);
  assert.deepEqual(await copyBlob(regional, blob, target, signal), { isNew: false, bytes: 0 }, "it is there");
  const whole = await keysOf(us.medium);
  // The longest name is that of the list, which tells the digest.
  const list = whole.toSorted((left, right) => right.length - left.length)[0] ?? "";
  await us.medium.delete(whole.filter((key) => key !== list));
  assert.deepEqual(await copyBlob(regional, blob, target, signal), made);
  const reader = await us.store.openBlob(blob.location);
  const bytes = Buffer.alloc(text.length);
  await reader.read(bytes, 0);
  await reader.close();
  assert.equal(bytes.toString(), text);
});

test("a copy whose middle is missing is none: it is made anew", async () => {
  const [eu, us] = [objects(), objects()];
  const region = (name: string, store: BlobStore) => ({ name, store, watch: createRegionWatch(clock) });
  const target = region("us", us.store);
  const regional = withRegions([region("eu", eu.store), target]);
  const parts = ["a", "b", "c"].map((letter) => Buffer.alloc(100_000, letter));
  const bytes = Buffer.concat(parts);
  for (const { store } of [eu, us]) {
    for (const [index, part] of parts.entries()) await write(store, upload, index * 100_000, part);
    await store.commitUpload(upload, digestOf(bytes), bytes.byteLength);
  }
  const location = locationOf(upload, digestOf(bytes));
  const blob = { digest: digestOf(bytes), sizeBytes: bytes.byteLength, location };
  assert.equal((await copyBlob(regional, blob, target, signal)).isNew, false);
  const middle = (await keysOf(us.medium)).find(
    (key) => us.medium.objects.get(key)?.at(0) === bytes[100_000],
  );
  assert.ok(middle !== undefined);
  await us.medium.delete([middle]);
  assert.equal((await copyBlob(regional, blob, target, signal)).isNew, true);
  const reader = await us.store.openBlob(location);
  assert.deepEqual(await readAll(reader), bytes);
  await reader.close();
});

test("a copier that was stopped after it had looked takes nothing away of what another has copied meanwhile", async () => {
  for (const isLeaseLost of [false, true]) {
    const eu = objects();
    const us = objects();
    const copier = (of: Partial<BlobStore>) => {
      const target = {
        name: "us",
        store: { ...createObjectBlobStore(us.medium), ...of },
        watch: createRegionWatch(clock),
      };
      const source = {
        name: "eu",
        store: createObjectBlobStore(eu.medium),
        watch: createRegionWatch(clock),
      };
      return { target, regional: withRegions([source, target]) };
    };
    const blob = { digest: digestOf(text), sizeBytes: text.length, location: await push(eu.store) };
    const [looked, thaw] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const frozen = copier({
      async hasWhole() {
        looked.resolve();
        await thaw.promise;
        return false;
      },
    });
    const lease = new AbortController();
    const late = copyBlob(frozen.regional, blob, frozen.target, lease.signal).catch(() => {});
    await looked.promise;
    const quick = copier({});
    await copyBlob(quick.regional, blob, quick.target, signal);
    // Everything between the look and the first write.
    const before = await keysOf(us.medium);
    if (isLeaseLost) lease.abort();
    thaw.resolve();
    await late;
    assert.ok(await hasBlob(quick.target, blob));
    if (isLeaseLost) assert.deepEqual(await keysOf(us.medium), before, "and it writes nothing");
  }
});

test("while a copier reads that began late, the copy that is there stays, whatever becomes of its source", async () => {
  const [eu, us] = [objects(), objects()];
  const location = await push(eu.store);
  const blob = { digest: digestOf(text), sizeBytes: text.length, location };
  const target = { name: "us", store: createObjectBlobStore(us.medium), watch: createRegionWatch(clock) };
  const source = createObjectBlobStore(eu.medium);
  const regional = withRegions([{ name: "eu", store: source, watch: createRegionWatch(clock) }, target]);
  const openBlob = source.openBlob.bind(source);
  source.openBlob = async (at) => {
    const reader = await openBlob(at);
    // Another has copied it, and it was removed here, before a byte is read.
    await push(us.store);
    await eu.medium.delete(await keysOf(eu.medium));
    return reader;
  };
  await assert.rejects(copyBlob(regional, blob, target, signal));
  assert.ok(await hasBlob(target, blob));
});

test("two that copy one blob at once, in whatever order, leave it whole when either says so, and else to the next attempt", async () => {
  let both = 0;
  for (let seed = 1; seed <= 150; seed += 1) {
    const { medium } = objects();
    const eu = objects();
    const turns = shuffledTurns(seed);
    const copier = () => {
      const store = createObjectBlobStore(slowed(medium, turns));
      const target = { name: "us", store, watch: createRegionWatch(clock) };
      const source = { name: "eu", store: eu.store, watch: createRegionWatch(clock) };
      return { target, regional: withRegions([source, target]) };
    };
    const blob = { digest: digestOf(text), sizeBytes: text.length, location: await push(eu.store) };
    const copiers = [copier(), copier()];
    const outcomes = await Promise.allSettled(
      copiers.map(({ regional, target }) => copyBlob(regional, blob, target, signal)),
    );
    const done = outcomes.filter(({ status }) => status === "fulfilled").length;
    both += Number(done === 2);
    const { regional, target } = copier();
    if (done > 0) assert.ok(await hasBlob(target, blob), `seed ${seed}: one said that it is there`);
    await copyBlob(regional, blob, target, signal);
    const reader = await target.store.openBlob(blob.location);
    const bytes = Buffer.alloc(text.length);
    await reader.read(bytes, 0);
    await reader.close();
    assert.equal(bytes.toString(), text, `seed ${seed}`);
  }
  assert.ok(both > 0, "they met");
});

/** How many turns of the event loop the next request takes: different for each seed, the same each time. */
function shuffledTurns(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor(state / 65_536) % 12;
  };
}

/** Each request takes a while on its way there, and on its way back. */
function slowed(medium: ObjectMedium, turns: () => number): ObjectMedium {
  const pass = async () => {
    for (let left = turns(); left > 0; left -= 1) await nextTurn();
  };
  const slow = async <T>(work: () => Promise<T>): Promise<T> => {
    await pass();
    const result = await work();
    await pass();
    return result;
  };
  return {
    ...medium,
    put: (...given) => slow(() => medium.put(...given)),
    get: (...given) => slow(() => medium.get(...given)),
    getWhole: (...given) => slow(() => medium.getWhole(...given)),
    delete: (...given) => slow(() => medium.delete(...given)),
    async *list(prefix) {
      await pass();
      const found: ListedObject[] = [];
      for await (const object of medium.list(prefix)) found.push(object);
      await pass();
      yield* found;
    },
  };
}
