import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { eachDatabase, type OpenTestDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { password, startIdentity } from "../testing/start-identity.ts";
import { openBrowser, statusOf } from "../testing/test-browser.ts";
import { findUserByName } from "../users/user-store.ts";
import {
  countRecoveryCodes,
  deleteTotpSeed,
  insertSecurityKey,
  insertTotpSeed,
  listSecurityKeys,
  loadFactors,
  replaceRecoveryCodes,
  setUserMfa,
} from "./factor-store.ts";

/** Bob in his browser, with an app, a security key and a recovery code. */
async function start(open: OpenTestDatabase, t: TestContext) {
  const instance = await startIdentity(t, await open(t));
  const { database } = instance;
  await instance.identity.createUser({ username: "bob", password, isAdmin: false });
  const browser = await openBrowser(instance, "bob");
  const { id: userId = 0 } = (await findUserByName(database.read, "bob")) ?? {};
  const key = { name: "key", credentialId: "1", publicKey: "1", counter: 0, transports: [], createdAtMs: 0 };
  await database.transaction(async (tx) => {
    await insertSecurityKey(tx, userId, key);
    await insertTotpSeed(tx, { userId, seed: "", lastCounter: 0, nowMs: 0 });
    await replaceRecoveryCodes(tx, userId, ["code"], 0);
    await setUserMfa(tx, userId, 1);
  });
  return { database, browser, userId };
}

eachDatabase((open) => {
  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("of the last two factors that are removed at once, the second takes the recovery codes along", async (t) => {
    const { database, browser, userId } = await start(open, t);
    const [{ id } = { id: 0 }] = await listSecurityKeys(database.read, userId);
    const letGo = await holdTransaction(database, async (tx) => {
      await bumpAccessVersion(tx);
      await deleteTotpSeed(tx, userId);
    });
    const removing = statusOf(browser.send("DELETE", `/api/v1/me/mfa/security-keys/${id}`));
    await untilWaiting(database, 1, removing);
    await letGo();
    assert.equal(await removing, 204);
    assert.equal(await countRecoveryCodes(database.read, userId), 0);
    assert.equal((await loadFactors(database.read, userId))?.mfaAtMs, undefined);
  });

  test("recovery codes that are renewed twice at once are good once", async (t) => {
    const { database, browser, userId } = await start(open, t);
    const letGo = await holdTransaction(database, async (tx) => {
      await bumpAccessVersion(tx);
      await replaceRecoveryCodes(tx, userId, ["other"], 0);
    });
    const renewing = statusOf(browser.send("POST", "/api/v1/me/mfa/recovery-codes"));
    await untilWaiting(database, 1, renewing);
    await letGo();
    assert.equal(await renewing, 200);
    assert.equal(await countRecoveryCodes(database.read, userId), 10);
  });
});
