import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { basic, password, sendJson, startIdentity } from "../testing/start-identity.ts";
import { openMailbox } from "../testing/test-mailbox.ts";

async function setUp(t: TestContext, database: Database) {
  const instance = await startIdentity(t, database);
  await instance.identity.createUser({ username: "root2", password, isAdmin: true });
  for (const username of ["ann", "bob"]) {
    await instance.identity.createUser({ username, password, isAdmin: false });
  }
  await database.transaction((tx) =>
    tx.updateTable("users").set({ email: "ann@example.org" }).where("username", "=", "ann").execute(),
  );
  const mailbox = await openMailbox(t, instance);
  const subjects = async () => (await mailbox.collect()).map((mail) => mail.parsed.subject);
  return { instance, mailbox, subjects };
}

eachDatabase((open) => {
  test("people are told of a new access token and of a password that an administrator set", async (t) => {
    const { instance, mailbox, subjects } = await setUp(t, await open(t));
    for (const username of ["ann", "bob"]) {
      const made = await sendJson(instance, "POST", "/api/v1/me/access-tokens", basic(username, password), {
        name: "ci",
      });
      assert.equal(made.status, 201);
    }
    const mail = await mailbox.one("ann@example.org");
    assert.match(mail.parsed.subject ?? "", /access token was made/);
    assert.doesNotMatch(mail.raw, /entp_/);
    const changed = await sendJson(instance, "PATCH", "/api/v1/users/ann", basic("root2", password), {
      password: "a wholly new passphrase",
    });
    assert.equal(changed.status, 200);
    assert.deepEqual(await subjects(), ["Your password was changed"]);
  });
});
