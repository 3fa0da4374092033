import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { createStatementCache } from "./statement-cache.ts";

test("prepares a text once, and again after others pushed it out", (t) => {
  const db = new DatabaseSync(":memory:");
  t.after(() => db.close());
  const prepare = createStatementCache(db, 2);
  const first = prepare("select 1");
  prepare("select 2");
  assert.equal(prepare("select 1"), first);
  prepare("select 3"); // pushes out "select 2", unused longest
  assert.equal(prepare("select 1"), first);
  prepare("select 4");
  prepare("select 5");
  assert.notEqual(prepare("select 1"), first);
});

test("tells statements that return rows from those that do not", (t) => {
  const db = new DatabaseSync(":memory:");
  t.after(() => db.close());
  db.exec("create table t (a integer)");
  const prepare = createStatementCache(db, 10);
  assert.equal(prepare("select 1").isReader, true);
  assert.equal(prepare("insert into t values (1) returning a").isReader, true);
  assert.equal(prepare("pragma user_version").isReader, true);
  assert.equal(prepare("insert into t values (1)").isReader, false);
  assert.equal(prepare("begin").isReader, false);
});
