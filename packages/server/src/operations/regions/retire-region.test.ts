import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { mountBlob } from "../../registry/blobs/mount-blob.ts";
import { renameRepository } from "../../registry/renames/rename-repository.ts";
import { digestOf, push, pushImage, readBlob, repositoryName } from "../../registry/testing/content.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { forgetRegion } from "./forget-region.ts";
import { describeBlob, describeRegions, type ManageRegionsDeps, setPlacement } from "./manage-regions.ts";
import { changeBlobs, reconcilePlacements } from "./reconcile-placements.ts";
import { retireRegion } from "./retire-region.ts";
import { findRetiring, putRetiring } from "./retiring-store.ts";
import { openTestRegions, type TestRegions } from "./testing/open-test-regions.ts";

const app = repositoryName("acme/app");
const other = repositoryName("other/app");
const { signal } = new AbortController();

function managing({ eu, known, worker, cache }: TestRegions): ManageRegionsDeps {
  const { database, clock } = eu;
  return { database, clock, cache, regional: worker.regional, known, reconcileSoon: async () => {} };
}

/** As the job does it, which asks what is being emptied. */
async function reconcile({ eu, known }: TestRegions, seeksUnknown = true) {
  const { database, clock } = eu;
  const now = { ...known, retiring: await findRetiring(database.read) };
  return reconcilePlacements({ database, clock, known: now, seeksUnknown }, signal, () => {});
}

async function settle(regions: TestRegions): Promise<void> {
  await reconcile(regions);
  for (let round = 0; round < 3; round++) {
    regions.eu.advance(60_000);
    await regions.work();
  }
}

async function leftIn(regions: TestRegions, name: string) {
  const found = (await describeRegions(managing(regions))).find((region) => region.name === name);
  assert.ok(found !== undefined);
  return found;
}

async function idOf({ eu }: TestRegions, text: string): Promise<number> {
  const query = eu.database.read.selectFrom("blobs").select("id").where("digest", "=", digestOf(text));
  return (await query.executeTakeFirstOrThrow()).id;
}

eachDatabase((open) => {
  describe("a region that is retired", () => {
    test("gets nothing new, is emptied, and nothing that was there is lost on the way", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, us, held, work } = regions;
      await pushImage(us, app, { layers: ["old"] }, ["v1"]);
      await retireRegion(managing(regions), eu.call(), "us", true);
      await retireRegion(managing(regions), eu.call(), "us", true);
      assert.equal((await leftIn(regions, "us")).onlyHere, 2);
      eu.advance(2_000);
      await push(us, app, "new");
      assert.ok((await held("eu")).includes(digestOf("new")), "written elsewhere from the first byte");
      assert.equal(await readBlob(us.deps, app, digestOf("old")), "old");
      await settle(regions);
      await work();
      assert.deepEqual(await held("us"), []);
      for (const text of ["old", "new"]) assert.equal(await readBlob(us.deps, app, digestOf(text)), text);
      const { onlyHere, placed, surplus, waiting, uploads } = await leftIn(regions, "us");
      assert.deepEqual([onlyHere, placed.blobs, surplus, waiting.blobs, uploads], [0, 0, 0, 0, 0]);
      const withoutUs = {
        ...managing(regions),
        known: { names: ["eu", "asia"], byDefault: new Set(["eu"]) },
      };
      await forgetRegion(withoutUs, eu.call(), "us");
      assert.deepEqual([...(await findRetiring(eu.database.read))], []);
    });

    test("keeps its copies until others have had theirs for a while: a removal that comes late loses nothing", async (t) => {
      const settleMs = 900_000;
      const regions = await openTestRegions(open, t, { settleMs });
      const { eu, us, stores, work, held } = regions;
      await push(us, app, "only");
      await retireRegion(managing(regions), eu.call(), "us", true);
      await reconcile(regions);
      await work();
      assert.deepEqual(await held("eu"), [digestOf("only")]);
      for (let minute = 1; minute < 15; minute++) {
        eu.advance(60_000);
        await work();
      }
      assert.deepEqual(await held("us"), [digestOf("only")], "it has lain in eu for 14 minutes");
      const { placements } = await describeBlob(managing(regions), digestOf("only"));
      const kept = placements.find(({ region }) => region === "us");
      assert.deepEqual([kept?.state, kept?.attempts], ["surplus", 0], "which is no failure");
      assert.match(kept?.error ?? "", /has had it for a while/);
      // What somebody began to remove, and gave up, comes to its end.
      const { location } = await eu.database.read
        .selectFrom("blobs")
        .select("location")
        .executeTakeFirstOrThrow();
      // as: written by a driver's commitUpload
      await stores.eu.store.deleteBlob(location as Parameters<typeof stores.eu.store.deleteBlob>[0]);
      eu.advance(60_000);
      await work();
      assert.deepEqual(await held("us"), [digestOf("only")]);
      eu.advance(60_000);
      await work();
      assert.deepEqual(await held("eu"), [digestOf("only")], "copied again");
      eu.advance(settleMs - 1);
      await work();
      assert.deepEqual(await held("us"), [digestOf("only")]);
      eu.advance(60_000);
      await work();
      assert.deepEqual([await held("us"), await held("eu")], [[], [digestOf("only")]]);
    });

    test("keeps what no other has, however long that takes", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, us, stores, held } = regions;
      await push(us, app, "only");
      await retireRegion(managing(regions), eu.call(), "us", true);
      stores.eu.isLost = true;
      await settle(regions);
      assert.deepEqual(await held("us"), [digestOf("only")]);
      const withoutUs = {
        ...managing(regions),
        known: { names: ["eu", "asia"], byDefault: new Set(["eu"]) },
      };
      await assert.rejects(forgetRegion(withoutUs, eu.call(), "us"), { code: "IN_USE", message: /1 blobs/ });
      stores.eu.isLost = false;
      await settle(regions);
      assert.deepEqual([await held("us"), await held("eu")], [[], [digestOf("only")]]);
    });

    test("is not retired while something has nowhere else to go, and nothing is placed there afterwards", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu } = regions;
      const deps = managing(regions);
      await push(eu, app, "x");
      await setPlacement(deps, eu.call(), "acme", { allowed: ["us"], copies: undefined });
      const stuck = { code: "IN_USE", message: /acme may lie nowhere but in us/ };
      await assert.rejects(retireRegion(deps, eu.call(), "us", true), stuck);
      await setPlacement(deps, eu.call(), "acme", { allowed: ["us", "eu"], copies: undefined });
      await retireRegion(deps, eu.call(), "us", true);
      const refused = { code: "REQUEST_INVALID", message: /us is retired/ };
      for (const placement of [
        { allowed: ["us"], copies: undefined },
        { allowed: undefined, copies: ["us"] },
      ]) {
        await assert.rejects(setPlacement(deps, eu.call(), "acme", placement), refused);
      }
      await retireRegion(deps, eu.call(), "asia", true);
      await assert.rejects(retireRegion(deps, eu.call(), "eu", true), { code: "IN_USE" });
      await assert.rejects(retireRegion(deps, eu.call(), "mars", true), { code: "NOT_FOUND" });
    });

    test("keeps the last copy from whoever was frozen before removing it, for however long", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, us, stores, held, work } = regions;
      const deps = managing(regions);
      await push(us, app, "only");
      await settle(regions);
      await retireRegion(deps, eu.call(), "us", true);
      await reconcile(regions);
      const hasWhole = stores.eu.store.hasWhole.bind(stores.eu.store);
      Object.assign(stores.eu.store, {
        async hasWhole(...given: Parameters<typeof hasWhole>) {
          const isThere = await hasWhole(...given);
          Object.assign(stores.eu.store, { hasWhole });
          // Everybody changes their mind meanwhile, and others do what is asked for.
          await retireRegion(deps, eu.call(), "us", false);
          await settle(regions);
          await retireRegion(deps, eu.call(), "eu", true);
          await settle(regions);
          assert.deepEqual([await held("us"), await held("eu")], [[digestOf("only")], []]);
          return isThere;
        },
      });
      await work();
      assert.deepEqual([await held("us"), await held("asia")], [[digestOf("only")], []]);
    });

    test("has everything looked at once more, when what began to be pushed before has ended", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu } = regions;
      const retire = regions.regions.endpoints.find(({ id }) => id === "regions.retire");
      assert.ok(retire !== undefined);
      // as: only its params are asked for
      const request = { params: { region: "us" } } as unknown as Parameters<typeof retire.handle>[1];
      await retire.handle(eu.call(), request);
      const jobs = await eu.database.read
        .selectFrom("jobs")
        .select("run_at_ms")
        .where("kind", "=", "regions.reconcile")
        .orderBy("run_at_ms")
        .execute();
      const nowMs = eu.clock.nowMs();
      const inMs = jobs.map((job) => job.run_at_ms - nowMs);
      assert.equal(inMs.length, 2);
      assert.ok(inMs[0] !== undefined && inMs[0] <= 0);
      assert.ok(inMs[1] !== undefined && inMs[1] >= 30_000 && inMs[1] <= 60_000, String(inMs[1]));
    });

    test("stays so when another is forgotten at the same moment", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu } = regions;
      await retireRegion(managing(regions), eu.call(), "us", true);
      const withoutUs = {
        ...managing(regions),
        known: { names: ["eu", "asia"], byDefault: new Set(["eu"]) },
      };
      let forgetting = Promise.resolve();
      await eu.database.transaction(async (tx) => {
        // What `retireRegion` does, in the middle of which the other one comes.
        await bumpAccessVersion(tx);
        await putRetiring(tx, new Set(["asia", "us"]));
        forgetting = forgetRegion(withoutUs, eu.call(), "us");
        await wait(500);
      });
      await forgetting;
      assert.deepEqual([...(await findRetiring(eu.database.read))], ["asia"]);
    });

    test("is left by what was there before there were regions when its repository comes to another namespace", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work } = regions;
      const before = { ...eu, deps: { ...eu.deps, blobs: stores.us.store, regions: undefined } };
      await push(before, app, "old");
      await push(eu, repositoryName("strict/first"), "other");
      await setPlacement(managing(regions), eu.call(), "strict", { allowed: ["eu"], copies: undefined });
      const to = repositoryName("strict/app");
      await renameRepository(eu.deps, eu.call(), { from: app, to });
      const jobs = await eu.database.read
        .selectFrom("jobs")
        .select("slot_ms")
        .where("kind", "=", "regions.reconcile")
        .execute();
      for (const { slot_ms: slotMs } of jobs) await reconcile(regions, slotMs === null);
      await reconcile(regions, false);
      for (let round = 0; round < 3; round++) {
        eu.advance(60_000);
        await work();
      }
      assert.deepEqual(await held("us"), []);
      assert.equal(await readBlob(eu.deps, to, digestOf("old")), "old");
    });

    test("is left by what was there before there were regions, which is not sought there every hour", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work } = regions;
      const before = { ...eu, deps: { ...eu.deps, blobs: stores.us.store, regions: undefined } };
      await push(before, app, "old");
      await retireRegion(managing(regions), eu.call(), "us", true);
      await settle(regions);
      assert.deepEqual([await held("us"), await held("eu")], [[], [digestOf("old")]]);
      for (let hour = 0; hour < 2; hour++) {
        assert.deepEqual(await reconcile(regions, false), { blobs: 1, wanted: 0, surplus: 0 });
        await work();
      }
      const { surplus, onlyHere } = await leftIn(regions, "us");
      assert.deepEqual([surplus, onlyHere], [0, 0]);
      const kind = regions.regions.kinds.find((one) => one.kind === "regions.reconcile");
      assert.ok(kind !== undefined);
      // as: only its slot is asked for
      const hourly = { slotMs: 1 } as Parameters<typeof kind.run>[0];
      const report = await kind.run(hourly, signal, () => {});
      assert.deepEqual(report, { blobs: 1, wanted: 0, surplus: 0 });
    });

    test("is used again when that is undone", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, us, held } = regions;
      await push(us, app, "old");
      await retireRegion(managing(regions), eu.call(), "us", true);
      await settle(regions);
      await retireRegion(managing(regions), eu.call(), "us", false);
      eu.advance(2_000);
      await push(us, app, "new");
      await settle(regions);
      assert.deepEqual(await held("us"), [digestOf("old"), digestOf("new")].toSorted());
    });
  });

  describe("what meets by chance", () => {
    test("a region that is put back after it was forgotten is filled, with what still lies there or anew", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work } = regions;
      await push(eu, app, "kept");
      await push(eu, app, "lost");
      await work();
      const withoutUs = {
        ...managing(regions),
        known: { names: ["eu", "asia"], byDefault: new Set(["eu"]) },
      };
      await forgetRegion(withoutUs, eu.call(), "us");
      const { location } = await eu.database.read
        .selectFrom("blobs")
        .select("location")
        .where("digest", "=", digestOf("lost"))
        .executeTakeFirstOrThrow();
      // as: written by a driver's commitUpload
      await stores.us.store.deleteBlob(location as Parameters<typeof stores.us.store.deleteBlob>[0]);
      await settle(regions);
      assert.deepEqual(await held("us"), await held("eu"));
      assert.equal((await leftIn(regions, "us")).placed.blobs, 2);
    });

    test("a blob that is mounted while it is compared is judged by what is so when it is changed", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, known, work, held } = regions;
      await push(eu, app, "shared");
      await work();
      await setPlacement(managing(regions), eu.call(), "acme", { allowed: ["eu"], copies: undefined });
      // The comparison has seen only `acme`; then somebody mounts it into where it may lie in both.
      const id = await idOf(regions, "shared");
      await push(eu, other, "else");
      const mount = { repository: other, digest: digestOf("shared"), from: app };
      assert.ok(await mountBlob(eu.deps, eu.call(), mount));
      const deps = { database: eu.database, clock: eu.clock, known, seeksUnknown: true };
      await changeBlobs(deps, [id]);
      eu.advance(60_000);
      await work();
      assert.ok((await held("us")).includes(digestOf("shared")));
    });

    test("a copy that nobody wants any more goes later when it cannot be removed at once, and is no stray", async (t) => {
      const regions = await openTestRegions(open, t);
      const { eu, stores, held, work } = regions;
      await push(eu, app, "unwanted");
      const commitUpload = stores.us.store.commitUpload.bind(stores.us.store);
      const deleteBlob = stores.us.store.deleteBlob.bind(stores.us.store);
      let isWanted = true;
      Object.assign(stores.us.store, {
        commitUpload: async (...given: Parameters<typeof commitUpload>) => {
          const location = await commitUpload(...given);
          isWanted = false;
          await setPlacement(managing(regions), eu.call(), "acme", { allowed: ["eu"], copies: undefined });
          await reconcile(regions);
          return location;
        },
        deleteBlob: async (...given: Parameters<typeof deleteBlob>) => {
          if (!isWanted) throw new Error("slow down");
          return deleteBlob(...given);
        },
      });
      await work();
      assert.deepEqual(await held("us"), [digestOf("unwanted")], "it could not be removed");
      assert.equal((await leftIn(regions, "us")).surplus, 1, "but is known");
      Object.assign(stores.us.store, { deleteBlob });
      eu.advance(60_000);
      await work();
      assert.deepEqual([await held("us"), (await leftIn(regions, "us")).surplus], [[], 0]);
    });
  });
});
