import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type SignedInRegistry, startSignedInRegistry } from "./testing/signed-in-registry.ts";

describe("entrepot provider", () => {
  let registry: SignedInRegistry;

  before(async () => {
    registry = await startSignedInRegistry();
  });
  after(async () => registry.stop());

  const run = (...args: string[]) => registry.run(...args);
  const lines = (...args: string[]) => registry.lines(...args);
  const apply = async (text: string, ...more: string[]): Promise<readonly string[]> => {
    await writeFile(join(registry.folder, "providers.yaml"), text);
    return lines("provider", "apply", "-f", join(registry.folder, "providers.yaml"), ...more);
  };

  const hub = `
  - name: hub
    kind: github
    settings: {clientId: Iv1.0123, organizations: [acme]}
    secrets: {clientSecret: {file: secret.txt}}`;
  const corp = (group: string) => `
  - name: corp
    kind: ldap
    displayName: Corp directory
    settings: {url: "ldaps://127.0.0.1:9", userBases: ["ou=people,dc=corp"], timeoutSeconds: 1}
    teams:
      - {team: acme/release, group: "${group}"}`;

  it("applies a file as often as one likes, and changes only what is different", async () => {
    await lines("org", "create", "acme");
    await lines("team", "set", "acme/release", "--role", "member");
    await writeFile(join(registry.folder, "secret.txt"), "a secret of the app\n");
    const file = `providers:${hub}${corp("CN=release, dc=corp")}`;
    assert.deepEqual(await apply(file), ["hub: created", "corp: created"]);
    assert.deepEqual(await apply(file), ["hub: unchanged", "corp: unchanged"]);
    assert.deepEqual(await apply(`providers:${hub}${corp("cn=others,dc=corp")}`), [
      "hub: unchanged",
      "corp: updated",
    ]);
    await writeFile(join(registry.folder, "secret.txt"), "another secret\n");
    assert.deepEqual(await apply(`providers:${hub}`), ["hub: updated"]);
    assert.deepEqual(await lines("provider", "ls"), ["corp ldap Corp directory on", "hub github hub on"]);
    const shown = await run("--json", "provider", "ls");
    assert.doesNotMatch(shown.stdout, /another secret|a secret of the app/);
    assert.deepEqual(await apply(`providers:${hub}`, "--prune"), ["hub: unchanged", "corp: deleted"]);
  });

  it("says that a provider does not answer, and what is wrong with a file", async () => {
    await apply(`providers:${corp("cn=release,dc=corp")}`);
    const tested = await run("provider", "test", "corp");
    assert.equal(tested.code, 1);
    assert.match(tested.stdout, /ECONNREFUSED/);
    assert.equal((await run("provider", "sync", "corp")).code, 7);
    assert.deepEqual(await lines("provider", "lost", "corp"), [""]);
    await writeFile(join(registry.folder, "bad.yaml"), "providers: [{kind: ldap}]");
    assert.equal((await run("provider", "apply", "-f", join(registry.folder, "bad.yaml"))).code, 2);
    await writeFile(
      join(registry.folder, "plain.yaml"),
      "providers: [{name: x, kind: keystone, settings: {url: 'http://k'}}]",
    );
    const refused = await run("provider", "apply", "-f", join(registry.folder, "plain.yaml"));
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /use https/);
    assert.deepEqual(await lines("provider", "rm", "corp"), ["corp: deleted"]);
  });
});
