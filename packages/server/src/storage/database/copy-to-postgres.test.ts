import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { silentLog } from "../../lib/log.ts";
import { copyToPostgres } from "./copy-to-postgres.ts";
import { openDatabase } from "./open-database.ts";
import { eachDatabase } from "./testing/each-database.ts";
import { insertLinkedBlob, insertManifest, insertRepository, insertTag } from "./testing/rows.ts";

async function sqliteFile(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-copy-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "entrepot.db");
  const database = await openDatabase({
    url: `sqlite:${file}`,
    poolSize: 1,
    acquireTimeoutMs: 5_000,
    log: silentLog,
  });
  const manifestId = await database.transaction(async (tx) => {
    const repositoryId = await insertRepository(tx, "acme/app");
    await insertLinkedBlob(tx, repositoryId, "blob");
    const gone = await insertManifest(tx, { repositoryId, digest: "gone" });
    const id = await insertManifest(tx, { repositoryId, digest: "d", body: Buffer.from([0, 1, 255]) });
    await insertTag(tx, repositoryId, "v1", id);
    const newest = await insertManifest(tx, { repositoryId, digest: "newest" });
    await tx.deleteFrom("manifests").where("id", "in", [gone, newest]).execute();
    await tx.updateTable("counters").set({ value: 41 }).where("name", "=", "access").execute();
    return id;
  });
  return { file, database, manifestId };
}

eachDatabase((open) => {
  if (open.engine === "sqlite") return;

  test("everything of a SQLite file is in PostgreSQL afterwards, and ids go on where they were", async (t) => {
    const { file, database, manifestId } = await sqliteFile(t);
    const target = await open(t, { url: await open.url(t) });
    const copied = await copyToPostgres(file, target);
    assert.ok(copied.some(({ table, rows }) => table === "manifests" && rows === 1));
    for (const table of [
      "manifests",
      "tags",
      "blobs",
      "repository_blobs",
      "repositories",
      "counters",
    ] as const) {
      const rowsOf = async (db: typeof target) => {
        const rows = await db.read.selectFrom(table).selectAll().execute();
        return rows.map((row) => {
          const texts = Object.entries({ ...row }).map(([key, value]) =>
            value instanceof Uint8Array ? `${key} ${Buffer.from(value).toString("hex")}` : `${key} ${value}`,
          );
          return texts.sort().join(", ");
        });
      };
      assert.deepEqual((await rowsOf(target)).sort(), (await rowsOf(database)).sort(), table);
    }
    const next = await target.transaction((tx) => insertManifest(tx, { repositoryId: 1, digest: "after" }));
    assert.equal(next, manifestId + 2, "an id that was given before is not given again");
    await assert.rejects(copyToPostgres(file, target), { code: "CONFLICT" });
    await database.close();
  });

  test("foreign keys hold again afterwards, and hold for what was copied", async (t) => {
    const { file, database } = await sqliteFile(t);
    await database.close();
    const target = await open(t, { url: await open.url(t) });
    await copyToPostgres(file, target);
    await assert.rejects(
      target.transaction((tx) => tx.deleteFrom("blobs").execute()),
      /foreign key|RESTRICT/i,
    );
    await assert.rejects(
      target.transaction(async (tx) => {
        await insertManifest(tx, { repositoryId: 999, digest: "e" });
        await tx.selectFrom("counters").selectAll().execute();
      }),
      /foreign key/i,
    );
  });

  test("who writes while it is copied makes it fail, and nothing is changed", async (t) => {
    const { file, database } = await sqliteFile(t);
    const url = await open.url(t);
    let isDisturbed = false;
    const disturb = (text: string) => {
      if (isDisturbed || !text.includes("setval")) return;
      isDisturbed = true;
      void database.transaction((tx) => insertRepository(tx, "acme/late"));
    };
    const target = await open(t, { url, onQuery: disturb });
    await assert.rejects(copyToPostgres(file, target), { code: "CONFLICT" });
    assert.deepEqual(await target.read.selectFrom("repositories").selectAll().execute(), []);
    await database.close();
  });
});
