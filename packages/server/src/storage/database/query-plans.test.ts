import assert from "node:assert/strict";
import { test } from "node:test";
import { type Compilable, sql } from "kysely";
import type { Database, Queryable, Tx } from "./database.ts";
import { eachDatabase } from "./testing/each-database.ts";
import { explainPlan, planAsForManyRows, slowSteps } from "./testing/explain-plan.ts";
import { insertLinkedBlob, insertManifest, insertRepository, insertTag } from "./testing/rows.ts";

/**
 * The queries that every request or every round of the collector makes. Each must find its rows by an index and in their order, so
 * that its cost does not grow with the tables: no scan, no sort.
 */
const hotQueries: Readonly<Record<string, (db: Queryable) => Compilable>> = {
  "manifest by tag": (db) =>
    db
      .selectFrom("repositories as r")
      .innerJoin("tags as t", "t.repository_id", "r.id")
      .innerJoin("manifests as m", "m.id", "t.manifest_id")
      .select(["m.digest", "m.media_type", "m.body"])
      .where("r.name", "=", "a/b")
      .where("t.name", "=", "v1"),
  "manifest by digest": (db) =>
    db
      .selectFrom("repositories as r")
      .innerJoin("manifests as m", "m.repository_id", "r.id")
      .select("m.body")
      .where("r.name", "=", "a/b")
      .where("m.digest", "=", "d"),
  "blob of a repository": (db) =>
    db
      .selectFrom("repositories as r")
      .innerJoin("repository_blobs as rb", "rb.repository_id", "r.id")
      .innerJoin("blobs as b", "b.id", "rb.blob_id")
      .select(["b.size_bytes", "b.location"])
      .where("r.name", "=", "a/b")
      .where("rb.digest", "=", "d"),
  "blob by digest": (db) => db.selectFrom("blobs").select("id").where("digest", "=", "d"),
  "blobs at locations": (db) =>
    db.selectFrom("blobs").select("id").where("digest", "in", ["d", "e"]).where("location", "in", ["l", "m"]),
  "bytes that a region owes": (db) =>
    db.selectFrom("region_deletions").select("location").where("location", "in", ["l", "m"]),
  "page of tags": (db) =>
    db
      .selectFrom("tags")
      .select("name")
      .where("repository_id", "=", 1)
      .where("name", ">", "v")
      .orderBy("name")
      .limit(100),
  "page of the catalog": (db) =>
    db.selectFrom("repositories").select("name").where("name", ">", "a").orderBy("name").limit(100),
  "page of referrers": (db) =>
    db
      .selectFrom("manifests")
      .select(["id", "digest", "artifact_type", "annotations", "size_bytes"])
      .where("repository_id", "=", 1)
      .where("subject_digest", "=", "d")
      .where("id", ">", 5)
      .orderBy("id")
      .limit(100),
  "who names a digest": (db) =>
    db
      .selectFrom("manifest_references")
      .select("manifest_id")
      .where("repository_id", "=", 1)
      .where("digest", "=", "d")
      .limit(1),
  "tags of a manifest": (db) => db.selectFrom("tags").select("name").where("manifest_id", "=", 1),
  "what a manifest names": (db) =>
    db.selectFrom("manifest_references").select(["digest", "kind"]).where("manifest_id", "=", 1),
  "who links a blob": (db) =>
    db.selectFrom("repository_blobs").select("repository_id").where("blob_id", "=", 1).limit(1),
  "manifests to collect": (db) =>
    db
      .selectFrom("manifests")
      .select("id")
      .where("orphaned", "=", 1)
      .where("unreferenced_since_ms", "<", 5)
      .orderBy("unreferenced_since_ms")
      .limit(100),
  "links to collect": (db) =>
    db
      .selectFrom("repository_blobs")
      .select(["repository_id", "digest"])
      .where("unreferenced_since_ms", "<", 5)
      .orderBy("unreferenced_since_ms")
      .limit(100),
  "blobs to collect": (db) =>
    db
      .selectFrom("blobs")
      .select("id")
      .where("unreferenced_since_ms", "<", 5)
      .orderBy("unreferenced_since_ms")
      .limit(100),
  "uploads to expire": (db) =>
    db.selectFrom("uploads").select("id").where("updated_at_ms", "<", 5).orderBy("updated_at_ms").limit(100),
  "bytes to remove": (db) =>
    db
      .selectFrom("blob_deletions")
      .select("location")
      .where("not_before_ms", "<", 5)
      .orderBy("not_before_ms")
      .limit(100),
  "history of a tag": (db) =>
    db
      .selectFrom("tag_history")
      .selectAll()
      .where("repository_id", "=", 1)
      .where("tag", "=", "v1")
      .where("id", "<", 5)
      .orderBy("id", "desc")
      .limit(100),
  "events after a cursor": (db) =>
    db.selectFrom("events").selectAll().where("id", ">", 5).orderBy("id").limit(100),
  "events to prune": (db) =>
    db.selectFrom("events").select("id").where("at_ms", "<", 5).orderBy("at_ms").limit(100),
  "access token by its secret": (db) =>
    db
      .selectFrom("access_token_secrets as s")
      .innerJoin("access_tokens as t", "t.id", "s.access_token_id")
      .select(["t.id", "t.user_id"])
      .where("s.secret_hash", "in", ["a", "b"]),
  "who issued an account": (db) =>
    db
      .selectFrom("issuers as i")
      .innerJoin("users as u", "u.id", "i.user_id")
      .select("u.id")
      .where("i.user_id", "=", (query) =>
        query.selectFrom("users as issued").select("issued.issuer_user_id").where("issued.id", "=", 5),
      ),
  "refresh token by its secret": (db) =>
    db.selectFrom("refresh_tokens").select("id").where("secret_hash", "=", "h"),
  "grants of a user": (db) =>
    db.selectFrom("grants").select(["repository_id", "role"]).where("user_id", "=", 1),
  "namespace by name": (db) => db.selectFrom("namespaces").select("id").where("name", "=", "a"),
};

/** Rows of many repositories, so that the server's planner has something to choose by. */
async function fill(tx: Tx): Promise<void> {
  for (let repository = 0; repository < 20; repository += 1) {
    const repositoryId = await insertRepository(tx, `a/${repository}`);
    for (let index = 0; index < 20; index += 1) {
      const digest = `${repository}-${index}`;
      const manifestId = await insertManifest(tx, { repositoryId, digest, subject: `subject-${index % 5}` });
      await insertTag(tx, repositoryId, `v${index}`, manifestId);
      await insertLinkedBlob(tx, repositoryId, digest);
      await tx
        .insertInto("manifest_references")
        .values({ manifest_id: manifestId, repository_id: repositoryId, digest, kind: "blob" })
        .execute();
    }
  }
}

eachDatabase((open) => {
  test("finds the rows of every hot query by an index and in order", async (t) => {
    const database = await open(t);
    await database.transaction(fill);
    const slow = await database.transaction(async (tx) => {
      await planAsForManyRows(tx);
      const found: string[] = [];
      for (const [name, query] of Object.entries(hotQueries)) {
        const plan = await explainPlan(tx, query(tx).compile());
        if (slowSteps.test(plan)) found.push(`${name}:\n${plan}`);
      }
      return found;
    });
    assert.deepEqual(slow, []);
  });

  test("the check itself finds a scan and a sort", async (t) => {
    const database = await open(t);
    await database.transaction(async (tx) => {
      const queries = [
        tx.selectFrom("events").selectAll().where("actor", "=", "a"),
        tx.selectFrom("tags").select("name").where("repository_id", "=", 1).orderBy("updated_at_ms"),
      ];
      for (const query of queries) assert.match(await explainPlan(tx, query.compile()), slowSteps);
    });
  });

  test("finds the rows that a foreign key's cascade deletes by an index", async (t) => {
    const database = await open(t);
    const children = await foreignKeys(database);
    assert.ok(children.length >= 15, `${children.length} foreign keys`);
    const slow: string[] = [];
    await database.transaction(async (tx) => {
      if (open.engine === "postgres") await sql`set local enable_seqscan = off`.execute(tx);
      for (const { table, column } of children) {
        const query = sql`select 1 from ${sql.table(table)} where ${sql.ref(column)} = ${1}`;
        const plan = await explainPlan(tx, query.compile(tx));
        // Covering scans of an index on other columns count as scans.
        if (/\bSCAN\b|Seq Scan|Filter/.test(plan)) slow.push(`${table}.${column}:\n${plan}`);
      }
    });
    assert.deepEqual(slow, []);
  });
});

async function foreignKeys(
  database: Database,
): Promise<readonly { readonly table: string; readonly column: string }[]> {
  const query =
    database.engine === "sqlite"
      ? sql<{ table: string; column: string }>`select t.name as "table", f."from" as "column"
          from sqlite_schema t, pragma_foreign_key_list(t.name) f where t.type = 'table'`
      : sql<{
          table: string;
          column: string;
        }>`select c.conrelid::regclass::text as "table", a.attname as "column"
          from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
          where c.contype = 'f'`;
  return (await query.execute(database.read)).rows;
}
