import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  field,
  insertRepository,
  password,
  sendJson,
  startIdentity,
} from "../testing/start-identity.ts";

const ada = basic(administrator, password);
const path = "/api/v1/reserved-names";

eachDatabase((open) => {
  test("a reserved name is nobody's until it is given back", async (t) => {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const send = async (method: string, name: string) =>
      (await sendJson(instance, method, `${path}/${name}`, ada)).status;
    const create = async (username: string) =>
      (await sendJson(instance, "POST", "/api/v1/users", ada, { username, password })).status;
    for (const name of ["nginx", "nginx", "redis"]) assert.equal(await send("PUT", name), 204);
    assert.equal(await create("nginx"), 409);
    assert.equal(await send("DELETE", "nginx"), 204);
    assert.equal(await send("DELETE", "nginx"), 404);
    assert.equal(await create("nginx"), 201);
    assert.equal(await send("PUT", "nginx"), 409, "it is somebody's");
    for (const none of ["A", "a%2Fb", "a%00"]) {
      assert.equal(await send("PUT", none), 400, none);
      assert.equal(await send("DELETE", none), 404, none);
    }
    const listed: unknown = await (await instance.fetch(path, { authorization: ada })).json();
    const createdAtMs = instance.clock.nowMs();
    assert.deepEqual(listed, { names: [{ name: "redis", namespace: null, createdAtMs }], next: null });
    const entries = await instance.database.read
      .selectFrom("audit_entries")
      .select(["action", "target"])
      .where("action", "like", "reserved-name.%")
      .orderBy("id")
      .execute();
    assert.deepEqual(
      entries.map(({ action, target }) => `${action} ${target}`),
      ["reserved-name.add name nginx", "reserved-name.add name redis", "reserved-name.remove name nginx"],
    );
  });

  test("lists by pages, and tells where the old name of a namespace leads", async (t) => {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    await insertRepository(instance, "acme/app");
    await instance.database.transaction(async (tx) => {
      const { id } = await tx
        .selectFrom("namespaces")
        .select("id")
        .where("name", "=", "acme")
        .executeTakeFirstOrThrow();
      await tx
        .insertInto("namespace_aliases")
        .values([
          { name: "old", namespace_id: id, created_at_ms: 1 },
          { name: "new", namespace_id: null, created_at_ms: 2 },
        ])
        .execute();
    });
    const first: unknown = await (await instance.fetch(`${path}?n=1`, { authorization: ada })).json();
    assert.deepEqual(field(first, "names"), [{ name: "new", namespace: null, createdAtMs: 2 }]);
    const next = String(field(first, "next"));
    assert.deepEqual(await (await instance.fetch(next, { authorization: ada })).json(), {
      names: [{ name: "old", namespace: "acme", createdAtMs: 1 }],
      next: null,
    });
    const none: unknown = await (await instance.fetch(`${path}?n=0`, { authorization: ada })).json();
    assert.deepEqual(none, { names: [], next: null });
    assert.equal((await sendJson(instance, "PUT", `${path}/old`, ada)).status, 204, "kept already");
  });
});
