import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { basic, bearer, getToken, sendJson } from "../testing/start-identity.ts";
import { ada, collection, issue, issuersOfAcme, probe, startIssuer } from "../testing/start-issuer.ts";

const item = `${issuersOfAcme}/vendor`;

const countIssued = async (database: Database): Promise<number> =>
  (await database.read.selectFrom("users").select("id").where("kind", "=", "issued").execute()).length;

/** Accounts with a credential each, as rows. */
async function insertAccounts(database: Database, count: number): Promise<void> {
  await database.transaction(async (tx) => {
    const issuer = await tx
      .selectFrom("users")
      .select("id")
      .where("kind", "=", "issuer")
      .executeTakeFirstOrThrow();
    for (let start = 0; start < count; start += 100) {
      const names = Array.from({ length: 100 }, (_, index) => `acme+vendor+c${start + index}`);
      const users = await tx
        .insertInto("users")
        .values(
          names.map((username) => ({
            username,
            kind: "issued",
            password_hash: null,
            is_admin: 0,
            is_disabled: 0,
            created_at_ms: 0,
            issuer_user_id: issuer.id,
          })),
        )
        .returning(["id", "username"])
        .execute();
      await tx
        .insertInto("access_tokens")
        .values(
          users.map(({ id, username }) => ({
            user_id: id,
            public_id: username,
            kind: "issued",
            name: "issued",
            scopes: null,
            created_at_ms: 0,
            expires_at_ms: null,
            last_used_at_ms: null,
          })),
        )
        .execute();
    }
  });
}

eachDatabase((open) => {
  test("deletes an issuer with very many accounts in small steps, nothing of it good from the first on, and goes on after a crash", async (t) => {
    const real = await open(t);
    let dies = false;
    let largest = 0;
    const database: Database = {
      ...real,
      read: real.read,
      async transaction(work, options) {
        const before = await countIssued(real);
        const result = await real.transaction(work, options);
        const deleted = before - (await countIssued(real));
        largest = Math.max(largest, deleted);
        if (dies && deleted > 0) throw new Error("the process was killed");
        return result;
      },
    };
    const world = await startIssuer(t, database);
    const { username, secret } = await issue(world, { externalId: "1" });
    await insertAccounts(real, 1_200);
    const token = bearer(await getToken(world, "repository:acme/free/app:pull", basic(username, secret)));
    const last = basic(username, secret);
    assert.equal(await probe(world, "acme/free/app", token), 204);
    dies = true;
    assert.equal((await sendJson(world, "DELETE", item, ada)).status, 500);
    dies = false;
    const left = await countIssued(real);
    assert.ok(left > 0 && left < 1_201, `${left} are left`);
    assert.equal(await probe(world, "acme/free/app", token), 401);
    assert.equal(await probe(world, "acme/free/app", last), 401);
    assert.equal(
      (await sendJson(world, "POST", collection, world.vendor, {})).status,
      401,
      "it issues nothing",
    );
    const shown: unknown = await (await world.fetch(item, { authorization: ada })).json();
    assert.equal(Reflect.get(Object(shown), "isDisabled"), true);

    assert.equal((await sendJson(world, "DELETE", item, ada)).status, 204);
    assert.equal(await countIssued(real), 0);
    assert.equal((await sendJson(world, "DELETE", item, ada)).status, 404);
    assert.ok(largest <= 200, `${largest} accounts in one transaction`);
    for (const table of ["access_tokens", "access_token_secrets"] as const) {
      const rows = await real.read.selectFrom(table).select("id").execute();
      assert.deepEqual(rows, [], table);
    }
    const audit = await real.read
      .selectFrom("audit_entries")
      .select(["action", "detail"])
      .where("target", "=", "issuer acme+vendor")
      .where("action", "in", ["issuer.update", "issuer.delete"])
      .orderBy("id")
      .execute();
    assert.deepEqual(
      audit.map(({ action }) => action),
      ["issuer.update", "issuer.delete"],
    );
  });

  test("two that delete an issuer at the same moment, while it issues, leave nothing of it", async (t) => {
    const database = await open(t);
    const world = await startIssuer(t, database);
    await insertAccounts(database, 600);
    const [one, two, ...issued] = await Promise.all([
      sendJson(world, "DELETE", item, ada),
      sendJson(world, "DELETE", item, ada),
      ...[1, 2, 3, 4].map((id) =>
        sendJson(world, "POST", collection, world.vendor, { externalId: String(id) }),
      ),
    ]);
    assert.ok([one?.status, two?.status].includes(204));
    for (const { status } of [one, two]) assert.ok(status === 204 || status === 404, String(status));
    for (const { status } of issued) assert.ok([201, 401, 403].includes(status), String(status));
    assert.equal(await countIssued(database), 0);
    const tokens = await database.read.selectFrom("access_tokens").selectAll().execute();
    assert.deepEqual(tokens, []);
  });

  test("an organization does not take very many accounts with it in one transaction", async (t) => {
    const database = await open(t);
    const world = await startIssuer(t, database);
    await insertAccounts(database, 1_100);
    await database.transaction((tx) => tx.deleteFrom("repositories").execute());
    const remove = (path: string) => sendJson(world, "DELETE", path, ada);
    const refused = await remove("/api/v1/organizations/acme");
    assert.equal(refused.status, 409);
    assert.match(await refused.text(), /delete those issuers first/);
    assert.equal((await remove(item)).status, 204);
    assert.equal((await remove("/api/v1/organizations/acme")).status, 204);
  });
});
