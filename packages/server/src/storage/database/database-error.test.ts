import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { AppError } from "../../lib/app-error.ts";
import type { Database, Tx } from "./database.ts";
import { isForeignKeyViolation, isUniqueViolation } from "./database-error.ts";
import { eachDatabase } from "./testing/each-database.ts";
import { insertLinkedBlob, insertManifest, insertRepository, insertTag } from "./testing/rows.ts";

async function failure(database: Database, work: (tx: Tx) => Promise<unknown>): Promise<unknown> {
  try {
    await database.transaction(work);
  } catch (error) {
    return error;
  }
  return assert.fail("the transaction did not fail");
}

eachDatabase((open) => {
  test("tells a taken name, key or pair from other failures", async (t) => {
    const database = await open(t);
    const repositoryId = await database.transaction((tx) => insertRepository(tx, "a/b"));
    const manifestId = await database.transaction((tx) => insertManifest(tx, { repositoryId, digest: "d" }));
    await database.transaction((tx) => insertTag(tx, repositoryId, "v1", manifestId));
    const errors = [
      await failure(database, (tx) => insertRepository(tx, "a/b")),
      await failure(database, (tx) => insertManifest(tx, { repositoryId, digest: "d" })),
      await failure(database, (tx) => insertTag(tx, repositoryId, "v1", manifestId)),
      await failure(database, (tx) =>
        tx.insertInto("counters").values({ name: "access", value: 1 }).execute(),
      ),
      await failure(database, (tx) =>
        sql`insert into events (id, at_ms, kind, actor, payload) values (1, 0, '', '', ''), (1, 0, '', '', '')`.execute(
          tx,
        ),
      ),
    ];
    for (const error of errors) {
      assert.ok(isUniqueViolation(error), String(error));
      assert.ok(!isForeignKeyViolation(error));
      assert.ok(!(error instanceof AppError), "the store decides what it means");
    }
  });

  test("tells a missing parent and a child that is still there from other failures", async (t) => {
    const database = await open(t);
    const repositoryId = await database.transaction((tx) => insertRepository(tx, "a/b"));
    const manifestId = await database.transaction((tx) => insertManifest(tx, { repositoryId, digest: "d" }));
    await database.transaction((tx) => insertTag(tx, repositoryId, "v1", manifestId));
    const blobId = await database.transaction((tx) => insertLinkedBlob(tx, repositoryId, "b"));
    const errors = [
      await failure(database, (tx) => insertManifest(tx, { repositoryId: 999, digest: "e" })),
      await failure(database, (tx) => insertTag(tx, repositoryId, "v2", 999)),
      await failure(database, (tx) => tx.deleteFrom("manifests").where("id", "=", manifestId).execute()),
      await failure(database, (tx) => tx.deleteFrom("blobs").where("id", "=", blobId).execute()),
      await failure(database, (tx) => tx.deleteFrom("namespaces").execute()),
    ];
    for (const error of errors) {
      assert.ok(isForeignKeyViolation(error), String(error));
      assert.ok(!isUniqueViolation(error));
    }
  });

  test("deletes with a repository all that hangs on it, and not its blobs", async (t) => {
    const database = await open(t);
    await database.transaction(async (tx) => {
      const repositoryId = await insertRepository(tx, "a/b");
      const manifestId = await insertManifest(tx, { repositoryId, digest: "d" });
      await insertTag(tx, repositoryId, "v1", manifestId);
      await insertLinkedBlob(tx, repositoryId, "b");
      await tx
        .insertInto("manifest_references")
        .values({ manifest_id: manifestId, repository_id: repositoryId, digest: "b", kind: "blob" })
        .execute();
    });
    await database.transaction((tx) => tx.deleteFrom("repositories").execute());
    for (const table of ["manifests", "tags", "repository_blobs", "manifest_references"] as const) {
      assert.deepEqual(await database.read.selectFrom(table).selectAll().execute(), [], table);
    }
    assert.equal((await database.read.selectFrom("blobs").selectAll().execute()).length, 1);
  });

  test("takes neither wrong SQL nor any other error for a constraint", async (t) => {
    const database = await open(t);
    const wrong = await failure(database, (tx) => sql`select * from nowhere`.execute(tx));
    for (const error of [wrong, new Error("UNIQUE constraint failed"), undefined, { code: "23505" }]) {
      assert.ok(!isUniqueViolation(error));
      assert.ok(!isForeignKeyViolation(error));
    }
  });

  test("refuses flags other than 0 and 1 and negative sizes", async (t) => {
    const database = await open(t);
    const error = await failure(database, async (tx) => {
      const repositoryId = await insertRepository(tx, "a/b");
      await insertManifest(tx, { repositoryId, digest: "d" });
      await tx.updateTable("manifests").set({ orphaned: 2 }).execute();
    });
    assert.match(String(error), /check/i);
    const negative = await failure(database, (tx) =>
      tx
        .insertInto("blob_deletions")
        .values({ location: "a", digest: "d", size_bytes: -1, not_before_ms: 0 })
        .execute(),
    );
    assert.match(String(negative), /check/i);
  });

  if (open.engine === "postgres") {
    test("says UNAVAILABLE when a statement takes longer than the server allows", async (t) => {
      const database = await open(t);
      const error = await failure(database, async (tx) => {
        await sql`set local statement_timeout = 30`.execute(tx);
        await sql`select pg_sleep(5)`.execute(tx);
      });
      assert.ok(error instanceof AppError && error.code === "UNAVAILABLE", String(error));
    });

    const states: readonly (readonly [string, AppError["code"], string])[] = [
      ["53100", "STORAGE_FULL", "its disk is full"],
      ["53300", "OVERLOADED", "it accepts no more connections"],
      ["53200", "UNAVAILABLE", "it is out of memory"],
      ["57P03", "UNAVAILABLE", "it is starting"],
      ["25006", "UNAVAILABLE", "it has become a standby"],
      ["58030", "UNAVAILABLE", "its disk fails"],
    ];
    for (const [state, code, reason] of states) {
      test(`says ${code} when the server reports that ${reason}, and stays usable`, async (t) => {
        const database = await open(t, { poolSize: 1 });
        const error = await failure(database, (tx) =>
          sql`do $$ begin raise exception using errcode = '${sql.raw(state)}'; end $$`.execute(tx),
        );
        assert.ok(error instanceof AppError, String(error));
        assert.equal(error.code, code);
        await database.probe(1000);
      });
    }

    test("says UNAVAILABLE when the database of the url does not exist", async (t) => {
      const url = (await open.url(t)).replace(/\/test_/, "/missing_");
      await assert.rejects(
        open(t, { url }),
        (error) => error instanceof AppError && error.code === "UNAVAILABLE",
      );
    });
  }
});
