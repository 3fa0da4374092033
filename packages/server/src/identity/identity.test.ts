import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
  getToken,
  insertRepository,
  password,
  sendJson,
  startIdentity,
  textField,
} from "./testing/start-identity.ts";

/** What refuses a caller before the handler is asked: 401 = sign in or get a wider token, 403 = not you. Anything else has passed. */
const refusals: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  public: {},
  identified: {},
  "signed-in": { anonymous: 401 },
  person: { anonymous: 401, "scoped token": 403, "bearer token": 403 },
  administrator: {
    anonymous: 401,
    outsider: 403,
    reader: 403,
    writer: 403,
    "repository administrator": 403,
    "scoped token": 403,
    "bearer token": 403,
  },
  "repository admin": {
    anonymous: 401,
    outsider: 403,
    reader: 403,
    writer: 403,
    "scoped token": 403,
    "bearer token": 401,
  },
};

eachDatabase((open) => {
  test("lets each kind of caller through to each endpoint as its permission says", async (t) => {
    const instance = await startIdentity(t, await open(t));
    const ada = basic(administrator, password);
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    await insertRepository(instance, "acme/x");
    const callers: Record<string, string | undefined> = { anonymous: undefined, administrator: ada };
    const roles = {
      outsider: undefined,
      reader: "read",
      writer: "write",
      "repository administrator": "admin",
    };
    for (const [index, [kind, role]] of Object.entries(roles).entries()) {
      const username = `user${index}`;
      await instance.identity.createUser({ username, password, isAdmin: false });
      callers[kind] = basic(username, password);
      if (role === undefined) continue;
      const path = `/api/v1/repositories/acme/x/-/grants/${username}`;
      assert.equal((await sendJson(instance, "PUT", path, ada, { role })).status, 200);
    }
    const made = await sendJson(instance, "POST", "/api/v1/me/access-tokens", ada, {
      name: "ci",
      scopes: [{ repositories: "acme/x", actions: ["pull", "push"] }],
    });
    callers["scoped token"] = bearer(textField(await made.json(), "secret"));
    callers["bearer token"] = bearer(await getToken(instance, "repository:acme/x:pull,push", ada));

    for (const { id, method, path, can } of instance.identity.endpoints) {
      const permission = can.who === "repository" ? `repository ${can.action}` : can.who;
      const expected = refusals[permission];
      assert.ok(expected, `${id} has a permission that this test knows`);
      for (const [kind, authorization] of Object.entries(callers)) {
        // A name that nobody has, so that nothing is changed by those who may.
        const target = path.replace("{name}", "acme/x").replace(/\{\w+\}/, "nobody");
        const reply: Response = await instance.fetch(target, {
          method,
          ...(authorization === undefined ? {} : { authorization }),
        });
        const { status } = reply;
        const text = await reply.text();
        const refusal: number | undefined = expected[kind];
        const what = `${id} for ${kind}: ${status} ${text}`;
        if (refusal !== undefined) assert.equal(status, refusal, what);
        // A bearer token gets no other: more than a matter of the address.
        else if (id !== "token.get") assert.ok(![401, 403].includes(status), what);
        assert.notEqual(status, 500, what);
      }
    }
  });
});
