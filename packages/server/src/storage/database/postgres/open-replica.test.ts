import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import { Client } from "pg";
import { silentLog } from "../../../lib/log.ts";
import type { Database } from "../database.ts";
import { openDatabase } from "../open-database.ts";
import { type PostgresCluster, startPostgresCluster } from "../testing/postgres-cluster.ts";
import { type PostgresStandby, startPostgresStandby } from "../testing/postgres-standby.ts";

let cluster: PostgresCluster;
let standby: PostgresStandby;

before(async () => {
  cluster = await startPostgresCluster();
  // The tables once, and a user without any special right, as a registry has.
  await (await openDatabase({ ...options(), replicaUrl: undefined })).close();
  await run(cluster.url, "create role plain login in role pg_read_all_data, pg_write_all_data");
  standby = await startPostgresStandby(cluster.url);
});

after(async () => {
  await standby?.stop();
  await cluster?.stop();
});

function options() {
  return { url: cluster.url, poolSize: 5, acquireTimeoutMs: 10_000, log: silentLog };
}

function asPlain(url: string): string {
  return url.replace("postgres@", "plain@");
}

async function open(t: TestContext, replicaUrl = standby.url, primaryUrl = cluster.url): Promise<Database> {
  const urls = { url: asPlain(primaryUrl), replicaUrl: asPlain(replicaUrl) };
  const database = await openDatabase({ ...options(), ...urls });
  t.after(() => database.close());
  return database;
}

async function run(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function countUp(database: Database): Promise<number> {
  return database.transaction(async (tx) => {
    const { rows } = await sql<{ value: number }>`insert into counters (name, value) values ('aside', 1)
      on conflict (name) do update set value = counters.value + 1 returning value`.execute(tx);
    return rows[0]?.value ?? 0;
  });
}

/** The number, and whether a standby told it. */
async function look(database: Database): Promise<{ readonly value: number; readonly isAside: boolean }> {
  const { rows } = await database.readAside((db) =>
    sql<{
      value: number;
      aside: number;
    }>`select value, case when pg_is_in_recovery() then 1 else 0 end as aside
      from counters where name = 'aside'`.execute(db),
  );
  return { value: rows[0]?.value ?? 0, isAside: rows[0]?.aside === 1 };
}

async function untilAside(database: Database, limitMs: number): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await look(database)).isAside) {
    assert.ok(performance.now() < endMs, "the replica is not used");
    await delay(50);
  }
}

test("shows every commit of every instance at once, and mostly from the replica", async (t) => {
  const writer = await open(t);
  const reader = await open(t);
  for (let round = 0; round < 100; round += 1) {
    const value = await countUp(writer);
    assert.equal((await look(reader)).value, value);
  }
  const { replica = 0 } = reader.replica?.outcomes() ?? {};
  t.diagnostic(`${replica} of 100 from the replica`);
  await untilAside(reader, 60_000);
  assert.equal(reader.replica?.lagBytes(), 0);
  assert.equal(await reader.replica?.probe(), 0);
});

test("shows commits at once while others write without a pause", async (t) => {
  const writer = await open(t);
  const reader = await open(t);
  let isOver = false;
  let acknowledged = await countUp(writer);
  const writing = (async () => {
    while (!isOver) acknowledged = await countUp(writer);
  })();
  for (let round = 0; round < 200; round += 1) {
    const before = acknowledged;
    const { value } = await look(reader);
    assert.ok(value >= before, `${value} is older than ${before}`);
  }
  isOver = true;
  await writing;
  t.diagnostic(JSON.stringify(reader.replica?.outcomes()));
});

test("while the replica replays nothing the primary answers, and afterwards the replica again", async (t) => {
  const database = await open(t);
  await untilAside(database, 60_000);
  await run(standby.url, "select pg_wal_replay_pause()");
  t.after(() => run(standby.url, "select pg_wal_replay_resume()").catch(() => undefined));
  for (let round = 0; round < 20; round += 1) {
    const value = await countUp(database);
    assert.deepEqual(await look(database), { value, isAside: false });
  }
  const { lagging = 0, paused = 0 } = database.replica?.outcomes() ?? {};
  assert.ok(lagging > 0 && paused > 0, "asked now and then, not each time");
  assert.ok((database.replica?.lagBytes() ?? 0) > 0);
  await run(standby.url, "select pg_wal_replay_resume()");
  await untilAside(database, 60_000);
});

test("when the replica is killed the primary answers at once, and the replica again when it is back", async (t) => {
  const database = await open(t);
  await untilAside(database, 60_000);
  await standby.kill();
  t.after(() => standby.revive().catch(() => undefined));
  const value = await countUp(database);
  const startMs = performance.now();
  assert.deepEqual(await look(database), { value, isAside: false });
  const tookMs = performance.now() - startMs;
  // A connection that is waited for is ten seconds.
  assert.ok(tookMs < 6_000, `answered after ${tookMs} ms`);
  await assert.rejects(async () => database.replica?.probe(), /does not answer/);
  assert.deepEqual(await look(database), { value, isAside: false });
  await standby.revive();
  await untilAside(database, 60_000);
});

test("a replica that says nothing is waited for half a second, then left alone", async (t) => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket)).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const address = silent.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const database = await open(t, `postgres://postgres@127.0.0.1:${port}/postgres`);
  const startMs = performance.now();
  const looks = await Promise.all(Array.from({ length: 20 }, () => look(database)));
  assert.ok(looks.every(({ isAside }) => !isAside));
  // Several deadlines one after the other would be ten seconds.
  assert.ok(performance.now() - startMs < 8_000);
  const { failed = 0 } = database.replica?.outcomes() ?? {};
  assert.ok(failed > 0);
  await look(database);
  assert.equal(database.replica?.outcomes().failed, failed, "not waited for again");
});

test("a read that fails on the replica is made on the primary", async (t) => {
  const database = await open(t);
  await untilAside(database, 60_000);
  const asked: boolean[] = [];
  const answer = await database.readAside(async (db) => {
    const { rows } = await sql<{
      aside: number;
    }>`select case when pg_is_in_recovery() then 1 else 0 end as aside`.execute(db);
    asked.push(rows[0]?.aside === 1);
    if (rows[0]?.aside === 1) await sql`select 1 / 0`.execute(db);
    return "by the primary";
  });
  assert.equal(answer, "by the primary");
  assert.deepEqual(asked, [true, false]);
  assert.equal((await look(database)).isAside, true, "the next is asked of it again");
});

test("what is no standby of this primary is never read", async (t) => {
  const itself = await open(t, cluster.url);
  assert.equal((await look(itself)).isAside, false);
  await assert.rejects(async () => itself.replica?.probe(), /no standby of this primary/);
  assert.equal(itself.replica?.outcomes().replica, 0);
});

test("a standby that was promoted is never read again, whatever it has replayed", async (t) => {
  const other = await startPostgresStandby(cluster.url);
  t.after(() => other.stop());
  const database = await open(t, other.url);
  await untilAside(database, 60_000);
  await other.promote();
  const value = await countUp(database);
  assert.deepEqual(await look(database), { value, isAside: false });
  assert.equal(database.replica?.outcomes().foreign, 1);
});

test("after a failover, a standby that stayed with the old primary is never read, though its position is ahead", async (t) => {
  const successor = await startPostgresStandby(cluster.url);
  t.after(() => successor.stop());
  await successor.promote();
  const old = await open(t);
  const value = (await countUp(old)) + 100;
  await run(cluster.url, "select pg_switch_wal()");
  await countUp(old);
  await untilAside(old, 60_000);
  const database = await open(t, standby.url, successor.url);
  await run(successor.url, `update counters set value = ${value} where name = 'aside'`);
  assert.deepEqual(await look(database), { value, isAside: false });
  assert.deepEqual(database.replica?.outcomes().foreign, 1);
});
