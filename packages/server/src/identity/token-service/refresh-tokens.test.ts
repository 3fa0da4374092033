import assert from "node:assert/strict";
import { test } from "node:test";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { insertTotpSeed, setUserMfa } from "../mfa/factor-store.ts";
import {
  administrator,
  basic,
  bearer,
  password,
  postForm,
  sendJson,
  startIdentity,
  type TestIdentity,
  textField,
} from "../testing/start-identity.ts";
import { findUserByName, lockUser, updateUser } from "../users/user-store.ts";
import {
  deletePasswordRefreshTokensOf,
  deleteRefreshTokensOf,
  touchRefreshToken,
} from "./refresh-token-store.ts";

const dayMs = 86_400_000;
const ada = basic(administrator, password);

async function refreshToken(instance: TestIdentity, authorization = ada): Promise<string> {
  const reply = await instance.fetch("/token?offline_token=true", { authorization });
  return textField(await reply.json(), "refresh_token");
}

function redeem(instance: TestIdentity, secret: string): Promise<Response> {
  return postForm(instance, {
    grant_type: "refresh_token",
    refresh_token: secret,
    scope: "repository:ada/x:push",
  });
}

async function start(...parameters: Parameters<typeof startIdentity>): Promise<TestIdentity> {
  const instance = await startIdentity(...parameters);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  return instance;
}

eachDatabase((open) => {
  test("gives new bearer tokens for a refresh token, and the same refresh token again", async (t) => {
    const instance = await start(t, await open(t));
    const secret = await refreshToken(instance);
    for (let day = 0; day < 3; day++) {
      const value: unknown = await (await redeem(instance, secret)).json();
      assert.equal(textField(value, "refresh_token"), secret);
      const authorization = bearer(textField(value, "access_token"));
      assert.equal((await instance.fetch("/v2/ada/x/probe/push", { authorization })).status, 204);
      instance.clock.move(89 * dayMs);
    }
  });

  test("is no credential for the registry itself", async (t) => {
    const instance = await start(t, await open(t));
    const secret = await refreshToken(instance);
    for (const authorization of [bearer(secret), basic(administrator, secret)]) {
      assert.equal((await instance.fetch("/api/v1/me", { authorization })).status, 401);
    }
  });

  test("is good for its own service only", async (t) => {
    const instance = await start(t, await open(t));
    const secret = await refreshToken(instance);
    await instance.database.transaction((tx) =>
      tx.updateTable("refresh_tokens").set({ service: "another" }).execute(),
    );
    assert.equal((await redeem(instance, secret)).status, 401);
  });

  test("dies with the password it was got with, and the bearer tokens that were got with it, too", async (t) => {
    const instance = await start(t, await open(t));
    const secret = await refreshToken(instance);
    const value: unknown = await (await redeem(instance, secret)).json();
    const authorization = bearer(textField(value, "access_token"));
    await instance.identity.resetAdministrator(administrator, "a new password");
    assert.equal((await redeem(instance, secret)).status, 401);
    assert.equal((await instance.fetch("/v2/ada/x/probe/push", { authorization })).status, 401);
  });

  test("dies with its access token, and the bearer tokens that were got with it, too", async (t) => {
    const instance = await start(t, await open(t));
    const made = await sendJson(instance, "POST", "/api/v1/me/access-tokens", ada, { name: "ci" });
    const created: unknown = await made.json();
    const secret = await refreshToken(instance, bearer(textField(created, "secret")));
    const value: unknown = await (await redeem(instance, secret)).json();
    const authorization = bearer(textField(value, "access_token"));
    assert.equal((await instance.fetch("/v2/ada/x/probe/push", { authorization })).status, 204);
    const { id } = await instance.database.read
      .selectFrom("access_tokens")
      .select("id")
      .executeTakeFirstOrThrow();
    assert.equal((await sendJson(instance, "DELETE", `/api/v1/me/access-tokens/${id}`, ada)).status, 204);
    assert.equal((await redeem(instance, secret)).status, 401);
    assert.equal((await instance.fetch("/v2/ada/x/probe/push", { authorization })).status, 401);
  });

  test("sleeps while its user is disabled", async (t) => {
    const instance = await start(t, await open(t));
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    const secret = await refreshToken(instance, basic("bob", password));
    const disable = (isDisabled: boolean) =>
      sendJson(instance, "PATCH", "/api/v1/users/bob", ada, { isDisabled });
    assert.equal((await disable(true)).status, 200);
    assert.equal((await redeem(instance, secret)).status, 401);
    assert.equal((await disable(false)).status, 200);
    assert.equal((await redeem(instance, secret)).status, 200);
  });

  test("is pruned after 90 days without use, and not before", async (t) => {
    const instance = await start(t, await open(t));
    const unused = await refreshToken(instance);
    const used = await refreshToken(instance);
    instance.clock.move(60 * dayMs);
    await redeem(instance, used);
    const count = async () =>
      (await instance.database.read.selectFrom("refresh_tokens").select("id").execute()).length;
    instance.clock.move(30 * dayMs);
    await instance.identity.prune();
    assert.equal(await count(), 2, "90 days are not more than 90 days");
    instance.clock.move(1);
    await instance.identity.prune();
    assert.equal(await count(), 1);
    assert.equal((await redeem(instance, unused)).status, 401);
    assert.equal((await redeem(instance, used)).status, 200);
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("is not had with a password that is changed in between", async (t) => {
    const instance = await start(t, await open(t));
    const { database } = instance;
    await refreshToken(instance); // from now on it is known that the password is right
    const letGo = await holdTransaction(database, async (tx) => {
      const user = await lockUser(tx, administrator);
      await deleteRefreshTokensOf(tx, user?.id ?? 0);
      await updateUser(tx, user?.id ?? 0, { passwordHash: "another" });
      await bumpAccessVersion(tx);
    });
    const asking = instance.fetch("/token?offline_token=true", { authorization: ada });
    await untilWaiting(database, 1, asking);
    await letGo();
    assert.equal((await asking).status, 401);
    assert.deepEqual(await database.read.selectFrom("refresh_tokens").selectAll().execute(), []);
  });

  test("is not had with a password that a second factor is added to in between", async (t) => {
    const instance = await start(t, await open(t));
    const { database } = instance;
    await refreshToken(instance);
    const letGo = await holdTransaction(database, async (tx) => {
      const userId = (await findUserByName(tx, administrator))?.id ?? 0;
      await insertTotpSeed(tx, { userId, seed: "", lastCounter: 0, nowMs: instance.clock.nowMs() });
      await bumpAccessVersion(tx);
      await setUserMfa(tx, userId, instance.clock.nowMs());
      await deletePasswordRefreshTokensOf(tx, userId);
    });
    const asking = instance.fetch("/token?offline_token=true", { authorization: ada });
    await untilWaiting(database, 1, asking);
    await letGo();
    assert.equal((await asking).status, 401);
    assert.deepEqual(await database.read.selectFrom("refresh_tokens").selectAll().execute(), []);
  });

  test("is not pruned while it is used", async (t) => {
    const instance = await start(t, await open(t));
    const { database, clock } = instance;
    const secret = await refreshToken(instance);
    const { id } = await database.read.selectFrom("refresh_tokens").select("id").executeTakeFirstOrThrow();
    clock.move(91 * dayMs);
    const letGo = await holdTransaction(database, (tx) => touchRefreshToken(tx, id, clock.nowMs()));
    const pruning = instance.identity.prune();
    await untilWaiting(database, 1, pruning);
    await letGo();
    await pruning;
    assert.equal((await redeem(instance, secret)).status, 200);
  });
});
