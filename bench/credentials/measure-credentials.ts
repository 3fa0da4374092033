import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  basic,
  field,
  sendJson,
  startIdentity,
  textField,
} from "@entrepot/server/identity/testing/start-identity";
import { collection, startIssuer } from "@entrepot/server/identity/testing/start-issuer";
import { silentLog } from "@entrepot/server/lib/log";
import { createSecretBox } from "@entrepot/server/lib/secret-box";
import type { Database } from "@entrepot/server/storage/database/database";
import { openDatabase } from "@entrepot/server/storage/database/open-database";
import { startPostgresCluster } from "@entrepot/server/storage/database/testing/postgres-cluster";

/*
 * node --conditions=source bench/credentials/measure-credentials.ts
 *
 * What a login, a listing and issuing cost with a thousand and with a hundred thousand issued credentials: requests over HTTP to a server in this process, one
 * after the other, each login by a customer who has not come before.
 */

const sizes = [1_000, 100_000] as const;
const requests = 300;
const batch = 500;

const folder = mkdtempSync(join(tmpdir(), "entrepot-credentials-"));
const cluster = await startPostgresCluster();
console.log(
  "| engine | credentials | login, ms | page of 100, ms | by label, ms | by external id, ms | issue, ms |",
);
console.log("|---|---|---|---|---|---|---|");
try {
  for (const size of sizes) {
    await measure("SQLite", `sqlite:${join(folder, `${size}.db`)}`, size);
    await measure("PostgreSQL", cluster.url, size);
  }
} finally {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function measure(engine: string, url: string, size: number): Promise<void> {
  const closers: (() => unknown)[] = [];
  // as: the test server only asks to be told of the end
  const t = { after: (step: () => unknown) => closers.unshift(step) } as unknown as TestContext;
  const database = await openDatabase({ url, poolSize: 10, acquireTimeoutMs: 10_000, log: silentLog });
  await clear(database);
  const world = await startIssuer(t, database);
  await seed(database, size);
  const instance = await startIdentity(t, database, { clock: world.clock });
  const pick = (index: number) => Math.floor((index * size) / requests);
  const login = await time(async (index) => {
    const shown = basic(`acme+vendor+c${pick(index)}`, secretOf(pick(index)));
    const reply = await instance.fetch("/token?service=registry.test&scope=repository:acme/free/app:pull", {
      authorization: shown,
    });
    textField(await reply.json(), "token");
  });
  const list = (query: (index: number) => string, least: number) =>
    time(async (index) => {
      const reply = await instance.fetch(`${collection}?${query(index)}`, { authorization: world.vendor });
      const found = field(await reply.json(), "credentials");
      if (!Array.isArray(found) || found.length < least) throw new Error("too few credentials were listed");
    });
  const { id: first } = await database.read
    .selectFrom("users")
    .select("id")
    .where("kind", "=", "issued")
    .orderBy("id")
    .executeTakeFirstOrThrow();
  const page = await list((index) => `n=100&last=${first + Math.floor(pick(index) * 0.9)}`, 1);
  const byLabel = await list((index) => `label=group=g${pick(index) % 100}`, 1);
  const byId = await list((index) => `externalId=x${pick(index)}`, 1);
  const issue = await time(async (index) => {
    const reply = await sendJson(world, "POST", collection, world.vendor, { externalId: `new${index}` });
    if (reply.status !== 201) throw new Error(await reply.text());
    await reply.arrayBuffer();
  });
  const cells = [login, page, byLabel, byId, issue].map((ms) => ms.toFixed(2));
  console.log(`| ${engine} | ${size.toLocaleString("en")} | ${cells.join(" | ")} |`);
  for (const close of closers) await close();
  await database.close();
}

/** Median milliseconds of one request. */
async function time(request: (index: number) => Promise<void>): Promise<number> {
  const all: number[] = [];
  for (let index = 0; index < requests; index += 1) {
    const before = performance.now();
    await request(index);
    all.push(performance.now() - before);
  }
  return all.sort((left, right) => left - right)[Math.floor(requests / 2)] ?? 0;
}

function secretOf(index: number): string {
  return `entp_${index.toString().padStart(43, "0")}`;
}

async function clear(database: Database): Promise<void> {
  await database.transaction(async (tx) => {
    for (const table of ["repositories", "users", "namespaces"] as const)
      await tx.deleteFrom(table).execute();
  });
}

/** As issuing makes them, by rows. */
async function seed(database: Database, size: number): Promise<void> {
  const box = createSecretBox([Buffer.alloc(32, 1)]);
  const issuer = await database.read
    .selectFrom("users")
    .select("id")
    .where("kind", "=", "issuer")
    .executeTakeFirstOrThrow();
  const scopes = JSON.stringify([{ repositories: "acme/free/**", actions: ["pull"] }]);
  for (let start = 0; start < size; start += batch) {
    const part = Array.from({ length: Math.min(batch, size - start) }, (_, index) => start + index);
    await database.transaction(async (tx) => {
      const users = await tx
        .insertInto("users")
        .values(
          part.map((index) => ({
            username: `acme+vendor+c${index}`,
            kind: "issued",
            password_hash: null,
            is_admin: 0,
            is_disabled: 0,
            created_at_ms: 0,
            issuer_user_id: issuer.id,
            external_id: `x${index}`,
          })),
        )
        .returning(["id", "username"])
        .execute();
      const numbers = new Map(
        users.map(({ id, username }) => [id, Number(username.slice("acme+vendor+c".length))]),
      );
      const tokens = await tx
        .insertInto("access_tokens")
        .values(
          users.map(({ id }) => ({
            user_id: id,
            public_id: `seeded-${numbers.get(id)}`.padEnd(22, "x"),
            kind: "issued",
            name: "issued",
            scopes,
            created_at_ms: 0,
            expires_at_ms: null,
            last_used_at_ms: null,
          })),
        )
        .returning(["id", "user_id"])
        .execute();
      await tx
        .insertInto("access_token_secrets")
        .values(
          tokens.map(({ id, user_id }) => ({
            access_token_id: id,
            secret_hash: box.hash(secretOf(numbers.get(user_id) ?? -1)),
            is_legacy: 0,
            created_at_ms: 0,
            expires_at_ms: null,
          })),
        )
        .execute();
      await tx
        .insertInto("issued_labels")
        .values(
          users.map(({ id }) => ({
            issuer_user_id: issuer.id,
            name: "group",
            value: `g${(numbers.get(id) ?? 0) % 100}`,
            user_id: id,
          })),
        )
        .execute();
    });
  }
}
