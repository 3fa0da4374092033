import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deleteBlob } from "../../registry/blobs/delete-blob.ts";
import { mountBlob } from "../../registry/blobs/mount-blob.ts";
import { digestOf, push, pushImage, readBlob, repositoryName } from "../../registry/testing/content.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { forgetRegion } from "./forget-region.ts";
import {
  describeBlob,
  describeRegions,
  getPlacement,
  type ManageRegionsDeps,
  setPlacement,
} from "./manage-regions.ts";
import { workForRegion } from "./region-worker.ts";
import { openTestRegions, type TestRegions } from "./testing/open-test-regions.ts";

const app = repositoryName("acme/app");
const other = repositoryName("other/app");

function managing({ eu, known, worker, cache }: TestRegions): ManageRegionsDeps {
  const { database, clock } = eu;
  return { database, clock, cache, regional: worker.regional, known, reconcileSoon: async () => {} };
}

async function statesOf(regions: TestRegions, text: string): Promise<Record<string, string>> {
  const { placements } = await describeBlob(managing(regions), digestOf(text));
  return Object.fromEntries(placements.map(({ region, state }) => [region, state]));
}

eachDatabase((open) => {
  describe("several storage regions", () => {
    test("a push lies in the own region, is read everywhere at once, and is copied to where everything is copied", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, us, held, work } = regions;
      await pushImage(us, app, { config: "{}", layers: ["layer"] }, ["v1"]);
      assert.deepEqual(await held("eu"), []);
      assert.equal(await readBlob(eu.deps, app, digestOf("layer")), "layer");
      assert.deepEqual(await statesOf(regions, "layer"), { eu: "waiting", us: "placed" });
      const [before] = await describeRegions(managing(regions)).then((all) =>
        all.filter(({ name }) => name === "eu"),
      );
      assert.deepEqual([before?.waiting.blobs, before?.waiting.bytes], [2, 7]);
      await work();
      assert.deepEqual(await held("eu"), [digestOf("layer"), digestOf("{}")].toSorted());
      assert.deepEqual(await held("asia"), [], "nobody asked for it");
      assert.deepEqual(await statesOf(regions, "layer"), { eu: "placed", us: "placed" });
      const all = await describeRegions(managing(regions));
      assert.deepEqual(
        all.map(({ name, isOwn, placed, waiting }) => [name, isOwn, placed.blobs, waiting.blobs]),
        [
          ["asia", false, 0, 0],
          ["eu", true, 2, 0],
          ["us", false, 2, 0],
        ],
      );
    });

    test("a region that is lost costs no attempt, and gets what it missed when it is back", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work } = regions;
      stores.us.isLost = true;
      await pushImage(eu, app, { layers: ["one", "two"] }, ["v1"]);
      for (let round = 0; round < 4; round++) {
        await work();
        eu.advance(60_000);
      }
      const { placements } = await describeBlob(managing(regions), digestOf("one"));
      assert.ok(placements.every(({ state, attempts }) => state === "placed" || attempts <= 2));
      stores.us.isLost = false;
      eu.advance(60_000);
      await work();
      assert.deepEqual(await held("us"), await held("eu"));
    });

    test("while the own region is lost, pushes go to another, and are brought home afterwards", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work } = regions;
      await push(eu, app, "before");
      await work();
      stores.eu.isLost = true;
      // The first to notice fail; from then on the region is known to be away.
      for (const text of ["first", "second"]) await push(eu, app, text).catch(() => {});
      await push(eu, app, "during");
      assert.equal(await readBlob(eu.deps, app, digestOf("during")), "during");
      assert.equal(await readBlob(eu.deps, app, digestOf("before")), "before");
      stores.eu.isLost = false;
      eu.advance(60_000);
      await work();
      const found = await held("eu");
      for (const text of ["before", "during"]) assert.ok(found.includes(digestOf(text)), text);
    });

    test("what is deleted while a region is lost is deleted there when it is back, and nothing is kept up by it", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work, collect } = regions;
      await pushImage(eu, app, { config: "two" }, ["v1"]);
      await push(eu, app, "one");
      await work();
      stores.us.isLost = true;
      await deleteBlob(eu.deps, eu.call(), { repository: app, digest: digestOf("one") });
      eu.advance(1);
      await collect();
      assert.deepEqual(await held("eu"), [digestOf("two")]);
      assert.equal((await held("us")).length, 2);
      const all = await describeRegions(managing(regions));
      assert.deepEqual(
        all.map(({ owedDeletions }) => owedDeletions),
        [0, 0, 1],
      );
      stores.us.isLost = false;
      eu.advance(60_000);
      await work();
      assert.deepEqual(await held("us"), [digestOf("two")]);
    });

    test("a copy whose bytes came out wrong is no copy: it is tried again, and nothing of it stays", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work } = regions;
      await push(eu, app, "right");
      const openBlob = stores.eu.store.openBlob.bind(stores.eu.store);
      const store = stores.eu.store;
      Object.assign(store, {
        openBlob: async (...given: Parameters<typeof openBlob>) => {
          const reader = await openBlob(...given);
          return {
            ...reader,
            read: async (buffer: Uint8Array, position: number) => {
              const got = await reader.read(buffer, position);
              buffer[0] = 0;
              return got;
            },
          };
        },
      });
      await work();
      assert.deepEqual(await held("us"), []);
      const { placements } = await describeBlob(managing(regions), digestOf("right"));
      assert.match(placements.find(({ region }) => region === "us")?.error ?? "", /not those of the digest/);
      Object.assign(store, { openBlob });
      eu.advance(60_000);
      await work();
      assert.deepEqual(await held("us"), [digestOf("right")]);
    });

    test("a copy of what is deleted meanwhile is removed again", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work, collect } = regions;
      await push(eu, app, "short-lived");
      const commitUpload = stores.us.store.commitUpload.bind(stores.us.store);
      Object.assign(stores.us.store, {
        commitUpload: async (...given: Parameters<typeof commitUpload>) => {
          const location = await commitUpload(...given);
          await deleteBlob(eu.deps, eu.call(), { repository: app, digest: digestOf("short-lived") });
          eu.advance(1);
          return location;
        },
      });
      await work();
      await collect();
      eu.advance(60_001);
      await collect();
      assert.deepEqual([await held("eu"), await held("us")], [[], []]);
    });

    test("what lay there before anybody asked for a copy is not removed when nobody asks any more", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, worker, held, reconcile } = regions;
      const before = { ...eu, deps: { ...eu.deps, blobs: stores.us.store, regions: undefined } };
      await push(before, app, "old");
      await reconcile();
      const openBlob = stores.us.store.openBlob.bind(stores.us.store);
      Object.assign(stores.us.store, {
        openBlob: async (...given: Parameters<typeof openBlob>) => {
          await eu.database.transaction((tx) => tx.deleteFrom("blob_placements").execute());
          return openBlob(...given);
        },
      });
      const [, us] = worker.regional.regions;
      assert.ok(us !== undefined);
      await workForRegion(worker, us, 0, new AbortController().signal);
      assert.deepEqual(await held("us"), [digestOf("old")]);
    });

    test("of two instances one copies to a region at a time, and a lost lease ends with nothing written", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, worker, held } = regions;
      await push(eu, app, "one");
      const [, us] = worker.regional.regions;
      assert.ok(us !== undefined);
      const { signal } = new AbortController();
      const rounds = await Promise.all(
        ["a", "b", "c"].map((instanceId) => workForRegion({ ...worker, instanceId }, us, 0, signal)),
      );
      assert.equal(
        rounds.reduce((sum, { done }) => sum + done, 0),
        1,
      );
      assert.deepEqual(await held("us"), [digestOf("one")]);
      assert.deepEqual(await workForRegion(worker, us, 0, signal), { done: 0, failed: 0 });
    });
  });

  describe("where the content of a namespace lies", () => {
    test("content goes only where it may: uploads, copies, and from then on what was elsewhere", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, us, held, work, reconcile } = regions;
      await push(us, app, "early");
      await push(us, other, "shared");
      await push(us, app, "shared");
      await work();
      await setPlacement(managing(regions), eu.call(), "acme", {
        allowed: ["eu", "asia"],
        copies: undefined,
      });
      eu.advance(2_000);
      await push(us, app, "late");
      assert.ok(
        (await held("eu")).includes(digestOf("late")),
        "written where it may lie, though pushed in us",
      );
      const report = await reconcile();
      assert.deepEqual(report, { blobs: 3, wanted: 0, surplus: 1 });
      await work();
      assert.deepEqual(await held("us"), [digestOf("shared")], "others may still have it there");
      assert.equal(await readBlob(us.deps, app, digestOf("early")), "early");
      assert.equal(await readBlob(us.deps, app, digestOf("late")), "late");
      assert.deepEqual(await held("asia"), [], "allowed, not asked for");
    });

    test("what must not lie where it does stays until it lies somewhere else", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, us, stores, held, work, reconcile } = regions;
      stores.asia.isLost = true;
      await push(us, app, "only here");
      await setPlacement(managing(regions), eu.call(), "acme", { allowed: ["asia"], copies: undefined });
      await reconcile();
      await work();
      assert.deepEqual(await held("us"), [digestOf("only here")]);
      stores.asia.isLost = false;
      for (let round = 0; round < 3; round++) {
        eu.advance(60_000);
        await work();
      }
      assert.deepEqual([await held("us"), await held("asia")], [[], [digestOf("only here")]]);
      assert.equal(await readBlob(eu.deps, app, digestOf("only here")), "only here");
    });

    test("of two regions that must both give it up none does before a third has it", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work, worker, reconcile } = regions;
      await push(eu, app, "twice");
      await work();
      stores.asia.isLost = true;
      await setPlacement(managing(regions), eu.call(), "acme", { allowed: ["asia"], copies: undefined });
      await reconcile();
      const { signal } = new AbortController();
      const [inEu, inUs] = worker.regional.regions;
      assert.ok(inEu !== undefined && inUs !== undefined);
      for (const region of [inEu, inUs, inEu]) {
        await workForRegion(worker, region, 0, signal);
        eu.advance(60_000);
      }
      const both = [[digestOf("twice")], [digestOf("twice")]];
      assert.deepEqual([await held("eu"), await held("us")], both);
      stores.asia.isLost = false;
      for (let round = 0; round < 3; round++) {
        eu.advance(60_000);
        await work();
      }
      assert.deepEqual(
        [await held("eu"), await held("us"), await held("asia")],
        [[], [], [digestOf("twice")]],
      );
    });

    test("what is copied nowhere is moved all the same when it may not lie where it was pushed", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, us, held, work, reconcile } = regions;
      const place = (allowed: readonly string[]) =>
        setPlacement(managing(regions), eu.call(), "acme", { allowed, copies: [] });
      await push(us, app, "exists");
      await place(["us"]);
      await push(us, app, "single");
      await work();
      assert.ok(!(await held("eu")).includes(digestOf("single")));
      await place(["asia", "eu"]);
      await reconcile();
      assert.equal((await reconcile()).wanted, 0, "asked for once");
      for (let round = 0; round < 3; round++) {
        await work();
        eu.advance(60_000);
      }
      assert.deepEqual(await held("us"), []);
      assert.equal(await readBlob(us.deps, app, digestOf("single")), "single");
      assert.deepEqual(
        await reconcile(),
        { blobs: 2, wanted: 0, surplus: 0 },
        "it is not removed again and again",
      );
    });

    test("copies are made where a namespace asks for them, also of what is mounted or pushed again", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, us, held, work } = regions;
      await push(eu, other, "base");
      await push(eu, app, "mine");
      await setPlacement(managing(regions), eu.call(), "acme", {
        allowed: undefined,
        copies: ["eu", "asia"],
      });
      const mount = { repository: app, digest: digestOf("base"), from: other };
      assert.ok(await mountBlob(eu.deps, eu.call(), mount));
      await push(us, app, "mine");
      await work();
      assert.deepEqual(await held("asia"), [digestOf("base"), digestOf("mine")].toSorted());
    });

    test("refuses regions that are not there, copies where content may not lie, and nowhere", async (t) => {
      const regions = await openTestRegions(open, t);
      await push(regions.eu, app, "x");
      const deps = managing(regions);
      const call = regions.eu.call();
      const refused = { code: "REQUEST_INVALID" };
      for (const placement of [
        { allowed: ["mars"], copies: undefined },
        { allowed: ["eu"], copies: ["us"] },
        { allowed: [], copies: undefined },
      ]) {
        await assert.rejects(setPlacement(deps, call, "acme", placement), refused);
      }
      await assert.rejects(getPlacement(deps, "nobody"), { code: "NOT_FOUND" });
      await setPlacement(deps, call, "acme", { allowed: ["eu"], copies: undefined });
      assert.deepEqual(await getPlacement(deps, "acme"), { allowed: ["eu"], copies: undefined });
      await setPlacement(deps, call, "acme", { allowed: undefined, copies: undefined });
      assert.deepEqual(await getPlacement(deps, "acme"), { allowed: undefined, copies: undefined });
    });
  });

  describe("regions that come and go", () => {
    test("what was there before there were regions is found where it lies, and copied from there", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work, reconcile } = regions;
      const before = { ...eu, deps: { ...eu.deps, blobs: stores.us.store, regions: undefined } };
      await pushImage(before, app, { layers: ["old"] }, ["v1"]);
      assert.deepEqual(await statesOf(regions, "old"), {});
      assert.equal(await readBlob(eu.deps, app, digestOf("old")), "old");
      assert.deepEqual(await reconcile(), { blobs: 2, wanted: 4, surplus: 0 });
      await work();
      assert.deepEqual(await held("eu"), await held("us"));
      assert.deepEqual(await statesOf(regions, "old"), { eu: "placed", us: "placed" });
      assert.deepEqual(await reconcile(), { blobs: 2, wanted: 0, surplus: 0 }, "repeatable");
    });

    test("one is not forgotten while what was there before there were regions is copied nowhere yet", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, work, reconcile } = regions;
      const before = { ...eu, deps: { ...eu.deps, blobs: stores.us.store, regions: undefined } };
      await push(before, app, "old");
      await reconcile();
      const withoutUs = { ...managing(regions), known: { names: ["eu"], byDefault: new Set(["eu"]) } };
      await assert.rejects(forgetRegion(withoutUs, eu.call(), "us"), { code: "IN_USE" });
      await work();
      await forgetRegion(withoutUs, eu.call(), "us");
    });

    test("one is forgotten only when nothing lies there alone", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, us, work } = regions;
      await push(us, app, "one");
      const withoutUs = { ...managing(regions), known: { names: ["eu"], byDefault: new Set(["eu"]) } };
      await assert.rejects(forgetRegion(managing(regions), eu.call(), "us"), { code: "IN_USE" });
      await assert.rejects(forgetRegion(withoutUs, eu.call(), "us"), { code: "IN_USE" });
      await work();
      await forgetRegion(withoutUs, eu.call(), "us");
      await assert.rejects(forgetRegion(withoutUs, eu.call(), "us"), { code: "NOT_FOUND" });
      assert.deepEqual(await statesOf(regions, "one"), { eu: "placed" });
    });
  });
});
