import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { AppError } from "../../../lib/app-error.ts";
import type { Clock } from "../../../lib/clock.ts";
import { blobStoreContract, digestOf, id, write } from "../blob-store.contract.ts";
import type { BlobReader, BlobStore } from "../blob-store.ts";
import { createMemoryBlobStore } from "../memory/memory-blob-store.ts";
import { createObjectBlobStore } from "../objects/object-blob-store.ts";
import type { ObjectMedium } from "../objects/object-medium.ts";
import { losableStore } from "../testing/losable-store.ts";
import { createMemoryMedium } from "../testing/memory-medium.ts";
import type { Region } from "./region.ts";
import { isRegionName, regionOfLocation, uploadIdIn } from "./region-name.ts";
import { createRegionWatch } from "./region-watch.ts";
import { withRegions } from "./with-regions.ts";

const clock: Clock = { nowMs: () => 0 };
const memory = () => createMemoryBlobStore(clock);

function regionOver(name: string, store: BlobStore, at: Clock = clock): Region {
  return { name, store, watch: createRegionWatch(at) };
}

blobStoreContract("with two regions", async () => ({
  store: withRegions([regionOver("eu", memory()), regionOver("us", memory())]),
  dispose: async () => {},
}));

async function textOf(reader: BlobReader): Promise<string> {
  const bytes = Buffer.alloc(reader.sizeBytes);
  await reader.read(bytes, 0);
  await reader.close();
  return bytes.toString();
}

function twoRegions() {
  let nowMs = 0;
  const at = { nowMs: () => nowMs };
  const [eu, us] = [losableStore(memory()), losableStore(memory())];
  const inEu = withRegions([regionOver("eu", eu.store, at), regionOver("us", us.store, at)]);
  const inUs = withRegions([regionOver("us", us.store, at), regionOver("eu", eu.store, at)]);
  const pushed = async (text: string, upload = uploadIdIn("eu", "u1")) => {
    await write(inEu, upload, 0, Buffer.from(text));
    return inEu.commitUpload(upload, digestOf(text), text.length);
  };
  const copied = async (text: string, to: BlobStore) => {
    await write(to, uploadIdIn("eu", "u1"), 0, Buffer.from(text));
    return to.commitUpload(uploadIdIn("eu", "u1"), digestOf(text), text.length);
  };
  return { eu, us, inEu, inUs, pushed, copied, advance: (ms: number) => void (nowMs += ms) };
}

describe("regions", () => {
  test("what was given up, as a region did not answer, removes nothing of what has come since", async (t) => {
    const medium = createMemoryMedium({ partBytes: 64, maxParts: 4 });
    const hangs = Promise.withResolvers<void>();
    let isHung = false;
    const slow: ObjectMedium = {
      ...medium,
      async *list(prefix) {
        if (isHung) await hangs.promise;
        yield* medium.list(prefix);
      },
    };
    const store = withRegions([regionOver("eu", createObjectBlobStore(slow)), regionOver("us", memory())]);
    const upload = uploadIdIn("eu", "u1");
    await write(store, upload, 0, Buffer.from("ab"));
    t.mock.timers.enable({ apis: ["setTimeout"] });
    isHung = true;
    const late = [store.openUpload(upload, 2), store.discardUpload(upload)];
    const given = late.map((each) => assert.rejects(each, { code: "UNAVAILABLE" }));
    t.mock.timers.tick(15_000);
    await Promise.all(given);
    t.mock.timers.reset();
    isHung = false;
    // Whoever was told so comes back, to an instance that still asks there.
    const another = withRegions([regionOver("eu", createObjectBlobStore(slow)), regionOver("us", memory())]);
    await write(another, upload, 2, Buffer.from("cd"));
    hangs.resolve();
    for (let turns = 0; turns < 20; turns++) await nextTurn();
    assert.equal(await textOf(await another.openUploadForReading(upload, 4)), "abcd");
  });

  test("an upload goes on in the region that its id names, on whichever instance, and its blob is read everywhere at once", async () => {
    const { eu, us, inEu, inUs } = twoRegions();
    const upload = uploadIdIn("eu", "u1");
    await write(inEu, upload, 0, Buffer.from("abc"));
    await write(inUs, upload, 3, Buffer.from("def"));
    const location = await inUs.commitUpload(upload, digestOf("abcdef"), 6);
    assert.equal(regionOfLocation(location), "eu");
    assert.equal(await textOf(await inEu.openBlob(location)), "abcdef");
    assert.equal(await textOf(await inUs.openBlob(location)), "abcdef");
    for await (const object of us.store.list()) assert.fail(`${object.name} lies in the other region`);
    await inUs.deleteBlob(location);
    for await (const object of eu.store.list()) assert.fail(`${object.name} is left`);
  });

  test("clients are sent to a region that has the bytes, not to one that had them", async () => {
    const { eu, us, inEu, pushed, copied } = twoRegions();
    const location = await pushed("abc");
    await copied("abc", us.store);
    Object.assign(eu.store, { signUrl: async () => "https://eu" });
    Object.assign(us.store, { signUrl: async () => "https://us" });
    const reply = { expiresSeconds: 60, contentType: "application/octet-stream", cacheControl: "private" };
    assert.equal(await inEu.signUrl(location, reply), "https://eu");
    // As an object store that remembers what another process has removed.
    const kept = await eu.store.openBlob(location);
    const gone = () => Promise.reject(new AppError("BLOB_UNKNOWN", "a segment is gone"));
    Object.assign(eu.store, { openBlob: async () => ({ ...kept, read: gone }) });
    assert.equal(await inEu.signUrl(location, reply), "https://us");
    await us.store.deleteBlob(location);
    await assert.rejects(inEu.signUrl(location, reply), { code: "BLOB_UNKNOWN" });
  });

  test("a copy has the location of the original, and the own one is read", async () => {
    const { eu, us, inUs, pushed, copied } = twoRegions();
    const location = await pushed("abc");
    assert.equal(await copied("abc", us.store), location);
    eu.isLost = true;
    assert.equal(await textOf(await inUs.openBlob(location)), "abc");
  });

  test("reads go on elsewhere when the own region is lost, and it is soon not asked any more, and asked again later", async () => {
    const { eu, us, inEu, pushed, copied, advance } = twoRegions();
    const location = await pushed("abc");
    await copied("abc", us.store);
    eu.isLost = true;
    for (let round = 0; round < 10; round++) {
      assert.equal(await textOf(await inEu.openBlob(location)), "abc");
    }
    const { calls } = eu;
    assert.equal(await textOf(await inEu.openBlob(location)), "abc");
    assert.equal(eu.calls, calls, "known to be away");
    assert.match(inEu.regions[0]?.watch.trouble()?.error ?? "", /refused/);
    eu.isLost = false;
    advance(5_001);
    us.isLost = true;
    assert.equal(await textOf(await inEu.openBlob(location)), "abc");
    assert.deepEqual(
      [...inEu.reads()],
      [
        ["us", 11],
        ["eu", 1],
      ],
    );
    assert.equal(inEu.regions[0]?.watch.trouble(), undefined);
  });

  test("what only a lost region has is unavailable, never unknown", async () => {
    const { eu, inUs, pushed } = twoRegions();
    const location = await pushed("abc");
    eu.isLost = true;
    await assert.rejects(inUs.openBlob(location), /refused/);
    await assert.rejects(inUs.openBlob(location), /refused/);
    await assert.rejects(inUs.openBlob(location), { code: "UNAVAILABLE" });
    await assert.rejects(inUs.deleteBlob(location), { code: "UNAVAILABLE" });
    assert.deepEqual(await inUs.deleteWhereReachable(location), ["eu"]);
  });

  test("a read that breaks in the middle goes on in another region at the very byte", async () => {
    const { eu, us, inEu, pushed, copied } = twoRegions();
    const location = await pushed("abcdef");
    await copied("abcdef", us.store);
    const openBlob = eu.store.openBlob.bind(eu.store);
    const breaking = losableStore({
      ...eu.store,
      openBlob: async (at) => {
        const reader = await openBlob(at);
        return {
          ...reader,
          async read(buffer, position) {
            if (position >= 3) throw new Error("broken");
            return reader.read(buffer, position);
          },
        };
      },
    });
    const store = withRegions([regionOver("eu", breaking.store), ...inEu.regions.slice(1)]);
    const reader = await store.openBlob(location);
    const bytes = Buffer.alloc(3);
    assert.equal(await reader.read(bytes, 0), 3);
    assert.equal(bytes.toString(), "abc");
    assert.equal(await reader.read(bytes, 3), 3);
    assert.equal(bytes.toString(), "def");
    await reader.close();
  });

  test("one that falls silent is left for another, and asked last until it is heard of again", async () => {
    const { eu, us, inEu, pushed, copied } = twoRegions();
    const location = await pushed("abc");
    await copied("abc", us.store);
    const openBlob = eu.store.openBlob.bind(eu.store);
    Object.assign(eu.store, {
      // Opened from memory, as far as anybody can tell; then nothing comes.
      openBlob: async (at: typeof location) => ({
        ...(await openBlob(at)),
        read: () => new Promise(() => {}),
      }),
    });
    assert.equal(await textOf(await inEu.openBlob(location)), "abc");
    const [euRegion] = inEu.regions;
    assert.equal(euRegion?.watch.isDoubtful(), true);
    assert.equal(euRegion.watch.isDown(), false);
    const { calls } = eu;
    assert.equal(await textOf(await inEu.openBlob(location)), "abc");
    assert.equal(eu.calls, calls);
    await inEu.probe();
    assert.equal(euRegion.watch.isDoubtful(), false);
  });

  test("what a client sends cannot make a region look as if it failed", async () => {
    const { eu, inEu } = twoRegions();
    const openUpload = eu.store.openUpload.bind(eu.store);
    const refuse = () => Promise.reject(new AppError("SIZE_INVALID", "too many small chunks"));
    Object.assign(eu.store, {
      openUpload: async (...given: Parameters<typeof openUpload>) => ({
        ...(await openUpload(...given)),
        append: refuse,
      }),
    });
    for (const name of ["u1", "u2", "u3"]) {
      const writer = await inEu.openUpload(uploadIdIn("eu", name), 0);
      await assert.rejects(writer.append([Buffer.from("x")]), { code: "SIZE_INVALID" });
    }
    assert.equal(inEu.regions[0]?.watch.trouble(), undefined);
  });

  test("works as long as one region does", async () => {
    const { eu, us, inEu } = twoRegions();
    await inEu.probe();
    eu.isLost = true;
    await inEu.probe();
    us.isLost = true;
    await assert.rejects(inEu.probe(), /refused/);
  });

  test("an upload from before there were regions is found wherever it lies", async () => {
    const { us, inEu } = twoRegions();
    await write(us.store, "u1", 0, Buffer.from("abc"));
    await write(inEu, "u1", 3, Buffer.from("d"));
    const location = await inEu.commitUpload(id("u1"), digestOf("abcd"), 4);
    assert.equal(await textOf(await inEu.openBlob(location)), "abcd");
    assert.equal(regionOfLocation(location), undefined);
  });
});

test("names of regions are short and can stand in the id of an upload", () => {
  for (const name of ["eu", "eu-central-1", "a", "us2"]) assert.ok(isRegionName(name), name);
  for (const name of ["", "EU", "1a", "a--b", "a-", "-a", "a_b", "a".repeat(24)]) {
    assert.ok(!isRegionName(name), name);
  }
});
