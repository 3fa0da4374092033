import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { parseLabel, parseScope, parseTime } from "./credential-options.ts";
import { administrator } from "./testing/served-registry.ts";
import { type SignedInRegistry, startSignedInRegistry } from "./testing/signed-in-registry.ts";

describe("entrepot token, issuer and credential", () => {
  let registry: SignedInRegistry;

  before(async () => {
    registry = await startSignedInRegistry();
  });
  after(async () => registry.stop());

  const run = (...args: string[]) => registry.run(...args);
  const lines = (...args: string[]) => registry.lines(...args);

  it("makes, lists, rotates and revokes one's own tokens", async () => {
    const [secret = "", login = ""] = await lines(
      "token",
      "create",
      "ci",
      "--application",
      "--scope",
      "acme/**=pull",
    );
    assert.match(secret, /^entp_/);
    assert.ok(login.includes(`docker login ${registry.host}`), login);
    assert.match((await lines("token", "ls"))[0] ?? "", /ci +application/);
    const [second] = await lines("token", "rotate", "ci", "--grace", "60");
    assert.notEqual(second, secret);
    assert.deepEqual(await lines("token", "usage", "ci"), [""]);
    assert.deepEqual(await lines("token", "rm", "ci"), ["ci revoked"]);
    assert.equal((await run("token", "rm", "ci")).code, 2);
    assert.equal((await run("token", "create", "x", "--scope", "nonsense")).code, 2);
  });

  it("makes an issuer, which issues credentials and can do nothing else", async () => {
    await lines("org", "create", "acme");
    const [secret = ""] = await lines(
      "issuer",
      "create",
      "acme/vendor",
      "--repositories",
      "acme/free/**",
      "--actions",
      "pull",
      "--max-pulls-per-hour",
      "60",
    );
    assert.match((await lines("issuer", "ls", "acme"))[0] ?? "", /vendor +acme\+vendor/);
    await registry.signIn("acme+vendor", secret);
    const create = [
      "credential",
      "create",
      "--external-id",
      "17",
      "--name",
      "cust-17",
      "--label",
      "tier=free",
    ];
    assert.equal((await run(...create, "--max-pulls-per-hour", "61")).code, 4, "more than the box has");
    assert.equal((await run(...create, "--max-pulls-per-hour", "many")).code, 2);
    assert.match((await lines(...create, "--max-pulls-per-hour", "30"))[0] ?? "", /^entp_/);
    assert.deepEqual(await lines(...create), ["it was issued before; rotate it for a new secret"]);
    const [shown = ""] = await lines("credential", "ls", "--label", "tier=free");
    assert.match(shown, /acme\+vendor\+cust-17/);
    const [id = ""] = shown.split(" ");
    assert.match((await lines("credential", "rotate", id))[0] ?? "", /^entp_/);
    assert.deepEqual(await lines("credential", "usage", "--label", "tier=free"), [""]);
    assert.equal((await run("token", "ls")).code, 4);
    assert.deepEqual(await lines("credential", "rm", "--label", "tier=free"), ["1 revoked"]);
    await registry.signIn(administrator.username, administrator.password);
    assert.deepEqual(await lines("issuer", "set", "acme/vendor", "--disable"), ["acme/vendor changed"]);
    assert.deepEqual(await lines("issuer", "rm", "acme/vendor"), ["acme/vendor deleted"]);
  });
});

describe("options of credentials", () => {
  it("reads scopes, times and labels as people write them, and refuses others", () => {
    assert.deepEqual(parseScope("acme/app:1.*=pull,push"), {
      repositories: "acme/app",
      tags: "1.*",
      actions: ["pull", "push"],
    });
    assert.deepEqual(parseScope("acme/**=pull"), { repositories: "acme/**", actions: ["pull"] });
    assert.equal(parseTime("2d", 1_000), 172_801_000);
    assert.equal(parseTime("2030-01-01"), Date.UTC(2030, 0, 1));
    assert.deepEqual(parseLabel("a=b=c"), ["a", "b=c"]);
    for (const text of ["", "acme", "acme=", "=pull", "acme=PULL"])
      assert.throws(() => parseScope(text), text);
    for (const text of ["", "soon", "1y"]) assert.throws(() => parseTime(text), text);
    for (const text of ["", "a", "=b"]) assert.throws(() => parseLabel(text), text);
  });
});
