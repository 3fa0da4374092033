import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { totpCodeAt } from "@entrepot/server/identity/mfa/totp";
import { administrator } from "./testing/served-registry.ts";
import { type SignedInRegistry, startSignedInRegistry } from "./testing/signed-in-registry.ts";

describe("entrepot session and mfa", () => {
  let registry: SignedInRegistry;
  const password = "a good long one 7";
  const { username: admin, password: adminPassword } = administrator;

  before(async () => {
    registry = await startSignedInRegistry();
    await registry.addUser("anna", password);
  });
  after(async () => registry.stop());

  const lines = (...args: string[]) => registry.lines(...args);
  const browse = async (username: string) => {
    const reply = await fetch(`${registry.origin}/api/v1/sign-in`, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "Firefox" },
      body: JSON.stringify({ username, password }),
    });
    assert.equal(reply.status, 200);
    return String(reply.headers.get("set-cookie")).split(";")[0] ?? "";
  };
  const isLive = async (cookie: string) =>
    (await fetch(`${registry.origin}/api/v1/session`, { headers: { cookie } })).status === 200;

  it("lists browsers that are signed in, and signs out one, all, or those of somebody else", async () => {
    await registry.signIn("anna", password);
    const [first, second] = [await browse("anna"), await browse("anna")];
    const [row = "", ...others] = await lines("session", "ls");
    assert.match(row, /^\d+ password 127\.0\.0\.1 20\S+ 20\S+ Firefox$/);
    assert.equal(others.length, 1);
    assert.deepEqual(await lines("session", "rm", row.split(" ")[0] ?? ""), ["1 ended"]);
    assert.equal([await isLive(first), await isLive(second)].filter(Boolean).length, 1);
    assert.deepEqual(await lines("session", "rm", "--all"), ["1 ended"]);
    assert.deepEqual([await isLive(first), await isLive(second)], [false, false]);
    assert.deepEqual(await lines("session", "ls"), [""]);

    await browse("anna");
    assert.equal((await registry.run("session", "ls", "--user", admin)).code, 4);
    await registry.signIn(admin, adminPassword);
    assert.equal((await lines("session", "ls", "--user", "anna")).length, 1);
    assert.deepEqual(await lines("session", "rm", "--all", "--user", "anna"), ["1 ended"]);
    assert.equal((await registry.run("session", "rm")).code, 2);
    assert.equal((await registry.run("session", "rm", "1", "--all")).code, 2);
  });

  it("sets an authenticator app up, renews recovery codes, and removes it; each by password and factor", async () => {
    await registry.signIn("anna", password);
    assert.deepEqual(await lines("mfa", "status"), ["no second factor"]);
    const asked = await registry.run("mfa", "add-totp");
    assert.equal(asked.code, 2);
    assert.match(asked.stderr, /--password-stdin/);

    const own = async (...args: string[]) => {
      const done = await registry.runWith(password, "mfa", ...args, "--password-stdin");
      assert.equal((done.stdout + done.stderr).includes(password), false);
      return done;
    };
    const begun = await own("add-totp");
    assert.equal(begun.code, 0, begun.stderr);
    const [, secret = "", ticket = ""] =
      /secret +(\S+)\nuri +otpauth:\/\/\S+\nticket +(\S+)/.exec(begun.stdout) ?? [];
    assert.equal((await own("add-totp", "--ticket", ticket)).code, 2);
    const code = totpCodeAt(secret, Date.now()); // oxlint-disable-line no-restricted-properties -- the registry has the system's clock
    const added = await own("add-totp", "--ticket", ticket, "--app-code", code);
    assert.equal(added.code, 0, added.stderr);
    const codes = added.stdout.trim().split("\n");
    assert.equal(codes.length, 10);
    assert.match(added.stderr, /docker and other clients need an access token/);

    const without = await own("rm", "totp");
    assert.equal(without.code, 2);
    assert.match(without.stderr, /--code or --recovery-code/);
    const wrong = await own("rm", "totp", "--recovery-code", "AAAA-AAAA-AAAA-AAAA");
    assert.equal(wrong.code, 3);
    const renewed = await own("recovery-codes", "--recovery-code", codes[0] ?? "");
    assert.equal(renewed.code, 0, renewed.stderr);
    const fresh = renewed.stdout.trim().split("\n");
    assert.equal(
      fresh.some((one) => codes.includes(one)),
      false,
    );
    assert.equal((await own("rm", "7", "--recovery-code", fresh[0] ?? "")).code, 5, "no such security key");
    const removed = await own("rm", "totp", "--recovery-code", fresh[1] ?? "");
    assert.equal(removed.stdout, "totp removed\n", removed.stderr);
    assert.deepEqual(await lines("mfa", "status"), ["no second factor"]);
    assert.deepEqual(await lines("session", "ls"), [""], "what it signed in for is over");
  });

  it("lets administrators reset somebody's factors, and has a namespace ask for one", async () => {
    await registry.signIn(admin, adminPassword);
    assert.deepEqual(await lines("mfa", "reset", "anna"), [
      "anna has no second factor now, and is signed out",
    ]);
    assert.deepEqual(await lines("mfa", "require", "anna", "on"), ["anna asks for a second factor"]);
    await registry.signIn("anna", password);
    const refused = await registry.run("grant", "ls", "anna");
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /a second factor is required here/);
    await registry.signIn(admin, adminPassword);
    const off = await registry.run("mfa", "require", "anna", "off");
    assert.equal(off.code, 4, "nor may an administrator without one");
  });
});
