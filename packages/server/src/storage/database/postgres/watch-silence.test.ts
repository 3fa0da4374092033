import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { sql } from "kysely";
import { silentLog } from "../../../lib/log.ts";
import { openDatabase } from "../open-database.ts";
import { connectTestPostgres } from "../testing/test-postgres.ts";

test("a statement whose connection was forgotten on the way fails soon, and the next one has another", async (t) => {
  const { database, forget } = await openThroughRouter(t);
  await sql`select 1`.execute(database.read);
  await database.probe(5_000);
  forget();
  const startedAt = performance.now();
  await assert.rejects(sql`select 1`.execute(database.read), { code: "UNAVAILABLE" });
  const tookMs = performance.now() - startedAt;
  t.diagnostic(`after ${Math.round(tookMs)} ms`);
  // The connection that asks was forgotten, too, and has a limit of its own. A statement's limit is 30 s.
  assert.ok(tookMs < 20_000, `${tookMs} ms`);
  await sql`select 1`.execute(database.read);
  await database.probe(5_000);
});

test("a statement that merely takes long is left alone", async (t) => {
  const { database } = await openThroughRouter(t);
  await sql`select pg_sleep(5)`.execute(database.read);
});

/** One connection for statements, through something that can forget the connections it knows: what comes is dropped, and nobody is told. */
async function openThroughRouter(t: TestContext) {
  const postgres = await connectTestPostgres();
  const url = await postgres.create("migrated");
  const folder = new URLSearchParams(url.split("?")[1]).get("host") ?? "";
  const name = /\/(test_\w+)/.exec(url)?.[1] ?? "";
  const known = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(`${folder}/.s.PGSQL.5432`);
    known.add(near);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (chunk) => known.has(near) && to.write(chunk));
      from.on("error", () => undefined).on("close", () => known.has(near) && to.destroy());
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  const database = await openDatabase({
    url: `postgres://postgres@127.0.0.1:${port}/${name}`,
    poolSize: 1,
    acquireTimeoutMs: 5_000,
    log: silentLog,
  });
  t.after(async () => {
    await database.close();
    server.close();
    await postgres.drop(url);
    await postgres.close();
  });
  return { database, forget: () => known.clear() };
}
