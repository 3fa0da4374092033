import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { administrator, basic, bearer, getToken, password, startIdentity } from "./testing/start-identity.ts";

eachDatabase((open) => {
  test("knows the same user by password and by the token got with it, until the administrator is reset", async (t) => {
    const instance = await startIdentity(t, await open(t));
    await instance.identity.createUser({ username: administrator, password, isAdmin: true });
    const ada = basic(administrator, password);
    const token = bearer(await getToken(instance, "registry:catalog:*", ada));
    for (const authorization of [ada, token]) {
      assert.equal((await instance.fetch("/api/v1/me", { authorization })).status, 200);
    }
    await instance.identity.resetAdministrator(administrator, "another horse battery");
    for (const authorization of [ada, token]) {
      const refused = await instance.fetch("/api/v1/me", { authorization });
      assert.equal(refused.status, 401, await refused.text());
    }
    await instance.identity.prune();
  });
});
