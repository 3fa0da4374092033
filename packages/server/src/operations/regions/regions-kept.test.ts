import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { AppError } from "../../lib/app-error.ts";
import { silentLog } from "../../lib/log.ts";
import { clearStrays, countStrays } from "../../lifecycle/strays/clear-strays.ts";
import { deleteBlob } from "../../registry/blobs/delete-blob.ts";
import { digestOf, push, pushImage, repositoryName } from "../../registry/testing/content.ts";
import { write } from "../../storage/blob-store/blob-store.contract.ts";
import type { BlobLocation } from "../../storage/blob-store/blob-store.ts";
import { uploadIdIn } from "../../storage/blob-store/regions/region-name.ts";
import { eachDatabase, type OpenTestDatabase } from "../../storage/database/testing/each-database.ts";
import type { Problem } from "../verify/problem.ts";
import { verifyEverything } from "../verify/verify-everything.ts";
import { openTestRegions } from "./testing/open-test-regions.ts";
import { verifiedRegions } from "./verified-regions.ts";

const app = repositoryName("acme/app");
const { signal } = new AbortController();

async function start(open: OpenTestDatabase, t: TestContext) {
  const regions = await openTestRegions(open, t);
  const { eu, worker, work } = regions;
  await pushImage(eu, app, { layers: ["layer"] }, ["v1"]);
  await work();
  const { location } = await eu.database.read
    .selectFrom("blobs")
    .select("location")
    .where("digest", "=", digestOf("layer"))
    .executeTakeFirstOrThrow();
  const deps = { ...eu, blobs: worker.regional, regions: verifiedRegions(worker.regional, eu) };
  const report = async (repair: boolean, onProblem: (problem: Problem) => void = () => {}) =>
    verifyEverything(
      { ...deps, sparse: "none", strayGraceMs: 0 },
      {
        repair,
        hash: true,
        parallel: 2,
        bytesPerSecond: undefined,
        onUnseen: () => undefined,
        resume: false,
        signal,
        onProgress: () => {},
        onProblem,
      },
    );
  const verify = async (repair: boolean) => {
    const problems: Problem[] = [];
    await report(repair, (problem) => void problems.push(problem));
    return problems.map(({ kind, outcome }) => `${kind} ${outcome}`);
  };
  // as: written by a driver's commitUpload
  return { ...regions, report, verify, location: location as BlobLocation };
}

/** Gives other bytes than were written, as a disk that has gone bad. */
function spoil(store: Awaited<ReturnType<typeof start>>["stores"]["us"]["store"]): void {
  const openBlob = store.openBlob.bind(store);
  Object.assign(store, {
    openBlob: async (at: BlobLocation) => {
      const reader = await openBlob(at);
      const read = async (buffer: Uint8Array, position: number) => {
        const got = await reader.read(buffer, position);
        buffer.fill(0, 0, got);
        return got;
      };
      return { ...reader, read };
    },
  });
}

eachDatabase((open) => {
  test("verify finds a copy that is gone, and a repair has it copied again; nobody is kept from the blob", async (t) => {
    const { stores, verify, held, work, location } = await start(open, t);
    assert.deepEqual(await verify(false), []);
    await stores.us.store.deleteBlob(location);
    assert.deepEqual(await verify(false), ["copy-missing found"]);
    assert.deepEqual(await verify(true), ["copy-missing repaired"]);
    await work();
    assert.deepEqual(await held("us"), await held("eu"));
    assert.deepEqual(await verify(false), []);
  });

  test("verify finds copies whose bytes are wrong; a blob without a sound copy goes into quarantine", async (t) => {
    const { stores, verify, held } = await start(open, t);
    spoil(stores.us.store);
    assert.deepEqual(await verify(false), ["copy-damaged found", "copy-damaged found"]);
    assert.deepEqual(await verify(true), ["copy-damaged repaired", "copy-damaged repaired"]);
    assert.deepEqual(await held("us"), []);
    spoil(stores.eu.store);
    assert.deepEqual(await verify(true), ["blob-damaged quarantined", "blob-damaged quarantined"]);
    assert.equal((await held("eu")).length, 2, "damaged bytes may be wanted as evidence");
  });

  test("a blob of which only a surplus copy is sound is sound: it is copied from there, and kept from nobody", async (t) => {
    const { eu, stores, verify, held, work, location } = await start(open, t);
    const makeSurplus = () =>
      eu.database.transaction((tx) =>
        tx
          .updateTable("blob_placements")
          .set({ state: "surplus", next_ms: eu.clock.nowMs() + 5_000 })
          .where("region", "=", "us")
          .execute(),
      );
    await makeSurplus();
    const all = await held("eu");
    await stores.eu.store.deleteBlob(location);
    const deleteBlob = stores.eu.store.deleteBlob.bind(stores.eu.store);
    Object.assign(stores.eu.store, { deleteBlob: () => assert.fail("there is nothing to remove") });
    assert.deepEqual(await verify(true), ["copy-missing repaired"]);
    Object.assign(stores.eu.store, { deleteBlob });
    await work();
    assert.deepEqual(await held("eu"), all);
    const openBlob = stores.eu.store.openBlob.bind(stores.eu.store);
    spoil(stores.eu.store);
    assert.deepEqual(await verify(true), ["copy-damaged repaired", "copy-damaged repaired"]);
    Object.assign(stores.eu.store, { openBlob });
    await work();
    assert.deepEqual([await held("eu"), await verify(false)], [all, []]);
  });

  test("a blob stays in quarantine while wrong bytes of it lie where they are read first and cannot be removed", async (t) => {
    const { eu, stores, verify } = await start(open, t);
    const openBlob = stores.us.store.openBlob.bind(stores.us.store);
    const deleteBlob = stores.eu.store.deleteBlob.bind(stores.eu.store);
    const quarantined = async () => {
      const rows = await eu.database.read.selectFrom("blobs").select("quarantined_at_ms").execute();
      return rows.filter((row) => row.quarantined_at_ms !== null).length;
    };
    spoil(stores.eu.store);
    spoil(stores.us.store);
    await verify(true);
    assert.equal(await quarantined(), 2);
    // The disk of one is good again.
    Object.assign(stores.us.store, { openBlob });
    Object.assign(stores.eu.store, { deleteBlob: () => Promise.reject(new Error("access denied")) });
    assert.deepEqual(await verify(true), ["copy-damaged found", "copy-damaged found"]);
    assert.equal(await quarantined(), 2);
    Object.assign(stores.eu.store, { deleteBlob });
    assert.deepEqual(await verify(true), ["copy-damaged repaired", "copy-damaged repaired"]);
    assert.equal(await quarantined(), 0);
  });

  test("a copy that is removed while others are read is not missing", async (t) => {
    const { eu, stores, verify, location } = await start(open, t);
    const openBlob = stores.us.store.openBlob.bind(stores.us.store);
    Object.assign(stores.us.store, {
      openBlob: async (at: BlobLocation) => {
        await eu.database.transaction((tx) =>
          tx.deleteFrom("blob_placements").where("region", "=", "us").execute(),
        );
        await stores.us.inner.deleteBlob(location);
        return openBlob(at);
      },
    });
    assert.deepEqual(await verify(true), []);
  });

  test("a region that does not answer is passed over, and told; the others are looked at and repaired", async (t) => {
    const { stores, report, verify, held, location } = await start(open, t);
    stores.us.isLost = true;
    const { unseenRegions, ...sound } = await report(false);
    assert.deepEqual([sound.blobs, sound.problems], [2, 0]);
    assert.deepEqual(unseenRegions, [
      { region: "us", blobs: 2, isListed: false, error: "connection refused" },
    ]);
    await stores.eu.store.deleteBlob(location);
    assert.deepEqual(await verify(true), ["copy-missing found"], "whether us has it is not known");
    assert.deepEqual(await report(true).then(({ quarantined }) => quarantined), 0);
    stores.us.isLost = false;
    assert.deepEqual(await verify(true), ["copy-missing repaired"]);
    assert.deepEqual((await report(false)).unseenRegions, []);
    assert.deepEqual((await held("us")).length, 2);
  });

  test("what only regions have that do not answer is neither missing nor sound", async (t) => {
    const { eu, stores, report, verify } = await start(open, t);
    await eu.database.transaction((tx) => tx.deleteFrom("blob_placements").execute());
    assert.deepEqual(await verify(false), [], "found where it lies, whatever the rows say");
    for (const name of ["eu", "us", "asia"] as const) stores[name].isLost = true;
    const { problems, unseenRegions } = await report(true);
    assert.equal(problems, 0);
    assert.deepEqual(
      unseenRegions.map(({ region, blobs, isListed }) => [region, blobs, isListed]),
      [
        ["asia", 2, false],
        ["eu", 2, false],
        ["us", 2, false],
      ],
    );
  });

  test("what another process has removed is not taken for a copy, though this one remembers it", async (t) => {
    const { eu, stores, worker, location, held, work } = await start(open, t);
    const [, us] = worker.regional.regions;
    assert.ok(us !== undefined);
    const kept = await stores.us.store.openBlob(location);
    const openBlob = stores.us.store.openBlob.bind(stores.us.store);
    await stores.us.store.deleteBlob(location);
    const gone = () => Promise.reject(new AppError("BLOB_UNKNOWN", "a segment is gone"));
    Object.assign(stores.us.store, { openBlob: async () => ({ ...kept, read: gone }) });
    await eu.database.transaction((tx) =>
      tx.updateTable("blob_placements").set({ state: "waiting" }).execute(),
    );
    await work();
    Object.assign(stores.us.store, { openBlob });
    assert.ok((await held("us")).includes(digestOf("layer")), "written anew");
  });

  test("bytes that a region still has to remove are no strays", async (t) => {
    const { eu, stores, worker, held, work, collect, verify } = await start(open, t);
    await push(eu, app, "loose");
    await work();
    stores.us.isLost = true;
    await deleteBlob(eu.deps, eu.call(), { repository: app, digest: digestOf("loose") });
    eu.advance(60_001);
    await collect();
    eu.advance(60_001);
    await collect();
    stores.us.isLost = false;
    assert.ok((await held("us")).includes(digestOf("loose")));
    const places = worker.regional.regions.map(({ store }) => store);
    const deps = { ...eu, blobs: worker.regional, places, strayGraceMs: 0 };
    assert.deepEqual((await countStrays(deps, signal)).examples, []);
    assert.deepEqual(await verify(false), []);
  });

  test("strays are looked for in each region, and removed where they lie; one that is away holds up no other", async (t) => {
    const { eu, stores, worker, held } = await start(open, t);
    // What a copier leaves that died.
    await write(stores.us.store, uploadIdIn("eu", "left-over"), 0, Buffer.from("half"));
    eu.advance(1_000);
    const places = worker.regional.regions.map(({ store }) => store);
    const deps = { ...eu, blobs: worker.regional, places, strayGraceMs: 0, log: silentLog };
    assert.deepEqual((await countStrays(deps, signal)).examples, ["upload left-over--eu"]);
    const lost = { ...worker.regional, list: () => assert.fail("away") };
    const options = { kinds: ["upload"] as const, signal };
    await assert.rejects(clearStrays({ ...deps, places: [lost, ...places] }, eu.call(), options), /away/);
    assert.deepEqual(await held("us"), await held("eu"), "removed all the same");
    assert.deepEqual((await countStrays(deps, signal)).examples, []);
  });
});
