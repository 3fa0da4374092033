import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { silentLog } from "../lib/log.ts";
import type { Database } from "../storage/database/database.ts";
import { openDatabase } from "../storage/database/open-database.ts";
import type { OpenTestDatabase } from "../storage/database/testing/each-database.ts";
import { type PostgresCluster, startPostgresCluster } from "../storage/database/testing/postgres-cluster.ts";
import { type PostgresStandby, startPostgresStandby } from "../storage/database/testing/postgres-standby.ts";
import { listCatalog } from "./repositories/list-catalog.ts";
import { deleteTag } from "./tags/delete-tag.ts";
import { listTags } from "./tags/list-tags.ts";
import { pushImage, repositoryName, tagName } from "./testing/content.ts";
import { openTestRegistry } from "./testing/open-test-registry.ts";

let cluster: PostgresCluster;
let standby: PostgresStandby;

before(async () => {
  cluster = await startPostgresCluster();
  standby = await startPostgresStandby(cluster.url);
});

after(async () => {
  await standby?.stop();
  await cluster?.stop();
});

const opener = async (t: TestContext): Promise<Database> => {
  const more = { poolSize: 5, acquireTimeoutMs: 10_000, log: silentLog };
  const database = await openDatabase({ url: cluster.url, replicaUrl: standby.url, ...more });
  t.after(() => database.close());
  return database;
};
const open: OpenTestDatabase = Object.assign(opener, {
  engine: "postgres" as const,
  url: async () => cluster.url,
});

test("what one instance was told is pushed or deleted, the pages of another show at once, from the replica", async (t) => {
  const registry = await openTestRegistry(open, t);
  const reader = await opener(t);
  const deps = { ...registry.deps, database: reader };
  const all = { limit: 1_000, last: undefined };
  const tags: string[] = [];
  for (let round = 10; round < 30; round += 1) {
    const repository = repositoryName(`library/app-${round}`);
    await pushImage(registry, repository, {}, ["v1", "v2"]);
    assert.deepEqual((await listTags(deps, repository, all)).tags, ["v1", "v2"]);
    await deleteTag(registry.deps, registry.call(), { repository, tag: tagName("v1") });
    assert.deepEqual((await listTags(deps, repository, all)).tags, ["v2"]);
    tags.push(repository);
    const { repositories } = await listCatalog(deps, registry.call().actor, all);
    assert.deepEqual(
      repositories.map(({ name }) => name),
      tags,
    );
  }
  const outcomes = () => reader.replica?.outcomes();
  t.diagnostic(JSON.stringify(outcomes()));
  // On a busy machine it may have been behind all the time while there was something new.
  for (const end = performance.now() + 60_000; (outcomes()?.replica ?? 0) === 0; await delay(50)) {
    assert.ok(performance.now() < end, "and the replica is used for them");
    await listCatalog(deps, registry.call().actor, all);
  }
});
