import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { administrator } from "./testing/served-registry.ts";
import { type SignedInRegistry, startSignedInRegistry } from "./testing/signed-in-registry.ts";

describe("entrepot invitation, grant default and token-issuer", () => {
  let registry: SignedInRegistry;
  const password = "a good long one 7";

  before(async () => {
    registry = await startSignedInRegistry();
    await registry.addUser("anna", password);
    await lines("org", "create", "acme");
    await lines("team", "set", "acme/release");
  });
  after(async () => registry.stop());

  const lines = (...args: string[]) => registry.lines(...args);
  const asAdministrator = () => registry.signIn(administrator.username, administrator.password);
  const idOf = (row: string | undefined) => row?.split(" ")[0] ?? "";

  it("shows invitations to both sides; they are accepted, declined and withdrawn", async () => {
    await lines("team", "invite", "acme/release", "anna");
    const [sent = ""] = await lines("invitation", "ls", "acme");
    assert.match(sent, /^\d+ acme\/release anna admin 20\d\d-/);
    assert.deepEqual(await lines("invitation", "withdraw", "acme", idOf(sent)), [
      `invitation ${idOf(sent)} withdrawn`,
    ]);
    assert.deepEqual(await lines("invitation", "ls", "acme"), [""]);

    await lines("team", "invite", "acme/release", "anna");
    await registry.signIn("anna", password);
    const [first] = await lines("invitation", "ls");
    assert.equal((await registry.run("invitation", "ls", "acme")).code, 4, "not hers to see");
    await lines("invitation", "decline", idOf(first));
    assert.equal((await registry.run("invitation", "accept", idOf(first))).code, 5);
    await asAdministrator();
    await lines("team", "invite", "acme/release", "anna");
    await registry.signIn("anna", password);
    const [second] = await lines("invitation", "ls");
    assert.deepEqual(await lines("invitation", "accept", idOf(second)), ["you are in acme/release now"]);
    assert.equal((await registry.run("invitation", "accept")).code, 2);
    assert.equal((await registry.run("invitation", "accept", "seventeen")).code, 2);
    const forged = await registry.runWith("no-such-token", "invitation", "accept", "--token-stdin");
    assert.equal(forged.code, 5);
    await asAdministrator();
    assert.deepEqual(await lines("team", "ls", "acme/release"), ["anna person manual"]);
  });

  it("has new repositories start with what was said, and old ones keep it", async () => {
    await lines("grant", "default", "add", "acme", "team:release", "read");
    const [row = ""] = await lines("grant", "default", "ls", "acme");
    assert.match(row, /^\d+ team:release read$/);
    assert.deepEqual(await lines("grant", "default", "set", "acme", idOf(row), "write"), [
      `default grant ${idOf(row)}: write`,
    ]);
    await lines("grant", "default", "add", "acme", "anna", "admin", "--creator", administrator.username);
    assert.match((await lines("grant", "default", "ls", "acme"))[1] ?? "", /anna admin made by admin$/);
    await lines("repo", "create", "acme/app");
    assert.deepEqual(await lines("grant", "ls", "acme/app"), ["anna admin", "team:release write"]);
    await lines("grant", "default", "rm", "acme", idOf(row));
    assert.deepEqual(await lines("grant", "ls", "acme/app"), ["anna admin", "team:release write"]);
    assert.equal((await registry.run("grant", "default", "rm", "acme", "x")).code, 2);
    assert.equal((await registry.run("grant", "default", "add", "acme", "anna", "owner")).code, 2);
  });

  it("adds, lists and removes token issuers", async () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const keys = join(registry.folder, "keys.pem");
    await writeFile(keys, publicKey.export({ type: "spki", format: "pem" }));
    const who = [
      "--issuer",
      "platform.example.org",
      "--audience",
      registry.host,
      "--pattern",
      "syn/**",
      "syn2/**",
    ];
    assert.equal((await registry.run("token-issuer", "add", "platform", ...who)).code, 2, "how to verify?");
    assert.deepEqual(await lines("token-issuer", "add", "platform", ...who, "--keys-file", keys), [
      "tokens of platform.example.org are taken for syn/**, syn2/**",
    ]);
    assert.match((await lines("token-issuer", "ls"))[0] ?? "", /^platform platform\.example\.org 127/);
    const again = await registry.run("token-issuer", "add", "platform", ...who, "--keys-file", keys);
    assert.equal(again.code, 6);
    assert.deepEqual(await lines("token-issuer", "rm", "platform"), ["platform removed"]);
    assert.deepEqual(await lines("token-issuer", "ls"), [""]);
  });
});
