import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryBlobStore } from "../../storage/blob-store/memory/memory-blob-store.ts";
import { losableStore } from "../../storage/blob-store/testing/losable-store.ts";
import { createRegionLooks } from "./region-looks.ts";

function start() {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs };
  const eu = losableStore(createMemoryBlobStore(clock));
  const stopping = new AbortController();
  const told: string[] = [];
  const looks = createRegionLooks(clock, stopping.signal, (region) => void told.push(region));
  const region = { name: "eu", store: eu.store };
  return { eu, looks, region, told, stopping, advance: (ms: number) => void (nowMs += ms) };
}

const works = async () => "seen";
const fails = () => Promise.reject(new Error("reset by peer"));

test("a region that does not answer is not asked for each blob, and is asked again after a while", async () => {
  const { eu, looks, region, told, advance } = start();
  eu.isLost = true;
  const ask = () => looks.look(region, (store) => store.probe());
  assert.equal(await ask(), undefined);
  const { calls } = eu;
  for (let blob = 0; blob < 100; blob += 1) assert.equal(await ask(), undefined);
  assert.equal(eu.calls, calls);
  eu.isLost = false;
  advance(30_001);
  assert.deepEqual(await looks.look(region, works), { seen: "seen" });
  assert.deepEqual(looks.unseen(), [
    { region: "eu", blobs: 101, isListed: true, error: "connection refused" },
  ]);
  assert.deepEqual(told, ["eu"], "once");
});

test("what fails in a region that answers is tried once more, and is no reason to leave the region alone", async () => {
  const { looks, region } = start();
  let tries = 0;
  const once = () => (++tries === 1 ? fails() : works());
  assert.deepEqual(await looks.look(region, once), { seen: "seen" });
  assert.deepEqual(looks.unseen(), []);
  assert.equal(await looks.look(region, fails), undefined);
  assert.deepEqual(await looks.look(region, works), { seen: "seen" });
  assert.deepEqual(looks.unseen(), [{ region: "eu", blobs: 1, isListed: true, error: "reset by peer" }]);
});

test("an end that was asked for is no failure of a region", async () => {
  const { looks, region, stopping } = start();
  const stop = () => {
    stopping.abort(new Error("stopped"));
    return fails();
  };
  await assert.rejects(looks.look(region, stop), /stopped/);
  await assert.rejects(looks.look(region, works), /stopped/);
  assert.deepEqual(looks.unseen(), []);
});
