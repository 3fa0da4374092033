import assert from "node:assert/strict";
import { test } from "node:test";
import { createVersionedCache } from "../../access/versioned-cache.ts";
import { byPartOfRegistry } from "../../activity/audit/record-audit.ts";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { explainPlan, planAsForManyRows, slowSteps } from "../../storage/database/testing/explain-plan.ts";
import { countOpenIn, countRegions } from "./count-regions.ts";
import { forgetRegion } from "./forget-region.ts";
import { reconcilePlacements } from "./reconcile-placements.ts";
import { countedAtMost } from "./region-status-store.ts";

const clock = { nowMs: () => 1_000_000 };
const { signal } = new AbortController();
const many = 2 * countedAtMost + 10;
const known = { names: ["eu", "us"], byDefault: new Set(["eu", "us"]) };

/** So many blobs that lie in eu and wait for us, linked by one repository. */
async function fill(database: Database, count: number, asia?: "placed"): Promise<void> {
  const ids = Array.from({ length: count }, (_, index) => index + 1);
  for (let start = 0; start < count; start += 500) {
    const some = ids.slice(start, start + 500);
    await database.transaction(async (tx) => {
      const blob = (id: number) => ({
        id,
        digest: `sha256:${String(id).padStart(64, "0")}`,
        size_bytes: 10,
        location: `sha256/00/${String(id).padStart(64, "0")}.u${id}--eu`,
        created_at_ms: 0,
        unreferenced_since_ms: null,
      });
      await tx.insertInto("blobs").values(some.map(blob)).execute();
      const row = (region: string, state: string) => (id: number) => ({
        blob_id: id,
        region,
        state,
        since_ms: id,
        next_ms: id,
        error: null,
      });
      const rows = [...some.map(row("eu", "placed")), ...some.map(row("us", "waiting"))];
      if (asia !== undefined) rows.push(...some.map(row("asia", asia)));
      await tx.insertInto("blob_placements").values(rows).execute();
    });
  }
}

eachDatabase((open) => {
  test("few are counted exactly at once, many by the last look at all blobs", async (t) => {
    const database = await open(t);
    await fill(database, many);
    const { read } = database;
    const open1 = await countOpenIn(read, ["us"]);
    assert.deepEqual([open1.get("us")?.waiting.blobs, open1.get("us")?.isCut], [countedAtMost + 1, true]);
    await reconcilePlacements({ database, clock, known, seeksUnknown: true }, signal, () => {});
    const open2 = await countOpenIn(read, ["us"]);
    assert.deepEqual(
      [
        open2.get("us")?.waiting.blobs,
        open2.get("us")?.waiting.bytes,
        open2.get("us")?.waiting.oldestSinceMs,
      ],
      [many, 10 * many, 1],
    );
    const all = await countRegions(read, ["eu"], clock.nowMs());
    assert.deepEqual(all.regions.get("eu")?.placed, { blobs: many, bytes: 10 * many });
    assert.deepEqual([all.regions.get("eu")?.onlyHere, all.regions.get("us")?.onlyHere], [many, 0]);
    await database.transaction((tx) =>
      tx.deleteFrom("blob_placements").where("region", "=", "us").where("blob_id", ">", 10).execute(),
    );
    assert.equal((await countOpenIn(read, ["us"])).get("us")?.waiting.blobs, 10, "exact again");
  });

  test("no statement that counts, compares or forgets reads more than a batch: none scans or sorts, each has an end", async (t) => {
    const statements = new Set<string>();
    const database = await open(t, { onQuery: (text) => void statements.add(text) });
    await fill(database, 1_200, "placed");
    statements.clear();
    await countRegions(database.read, known.names, clock.nowMs());
    await reconcilePlacements({ database, clock, known, seeksUnknown: true }, signal, () => {});
    const cache = createVersionedCache(database, clock, { maxEntries: 10 });
    const deps = { database, clock, cache, regional: undefined, known, reconcileSoon: async () => {} };
    await forgetRegion(deps, byPartOfRegistry("storage-regions"), "asia");
    const about = [...statements].filter(
      // Uploads that go on are few, and a person asks.
      (text) => /blob_placements|region_deletions|"blobs"/.test(text) && !text.includes('"uploads"'),
    );
    const rows = await database.read.selectFrom("blob_placements").select("region").distinct().execute();
    assert.deepEqual(rows.map(({ region }) => region).toSorted(), ["eu", "us"]);
    assert.ok(about.length >= 6, `${about.length} statements were seen`);
    const slow = await database.transaction(async (tx) => {
      await planAsForManyRows(tx);
      const found: string[] = [];
      for (const text of about) {
        const count = (text.match(/\?|\$\d+/g) ?? []).length;
        const plan = await explainPlan(tx, { sql: text, parameters: Array.from({ length: count }, () => 1) });
        if (slowSteps.test(plan)) found.push(`${text}:\n${plan}`);
      }
      return found;
    });
    assert.deepEqual(slow, []);
    const isBounded = (text: string) => /limit|"blob_id" <=|"id" in \(|"blob_id" in \(/.test(text);
    assert.deepEqual(
      about.filter((text) => !isBounded(text)),
      [],
    );
  });
});
