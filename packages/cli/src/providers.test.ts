import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type CliRun, runCli } from "./testing/run-cli.ts";
import { administrator, type ServedRegistry, startServedRegistry } from "./testing/served-registry.ts";

describe("entrepot provider", () => {
  let registry: ServedRegistry;
  let folder: string;
  let environment: Readonly<Record<string, string>>;

  before(async () => {
    registry = await startServedRegistry();
    folder = await mkdtemp(join(tmpdir(), "entrepot-providers-"));
    const auth = Buffer.from(`${administrator.username}:${administrator.password}`).toString("base64");
    await writeFile(join(folder, "config.json"), JSON.stringify({ auths: { [registry.host]: { auth } } }));
    environment = { DOCKER_CONFIG: folder, ENTREPOT_CLI_REGISTRY: registry.host };
  });
  after(async () => {
    await registry.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]): Promise<CliRun> => runCli(args, environment);
  const lines = async (...args: string[]): Promise<readonly string[]> => {
    const done = await run(...args);
    assert.equal(done.code, 0, `${args.join(" ")}: ${done.stderr}`);
    return done.stdout
      .trim()
      .split("\n")
      .map((line) => line.replace(/ +/g, " ").trim());
  };
  const apply = async (text: string, ...more: string[]): Promise<readonly string[]> => {
    await writeFile(join(folder, "providers.yaml"), text);
    return lines("provider", "apply", "-f", join(folder, "providers.yaml"), ...more);
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
    await writeFile(join(folder, "secret.txt"), "a secret of the app\n");
    const file = `providers:${hub}${corp("CN=release, dc=corp")}`;
    assert.deepEqual(await apply(file), ["hub: created", "corp: created"]);
    assert.deepEqual(await apply(file), ["hub: unchanged", "corp: unchanged"]);
    assert.deepEqual(await apply(`providers:${hub}${corp("cn=others,dc=corp")}`), [
      "hub: unchanged",
      "corp: updated",
    ]);
    await writeFile(join(folder, "secret.txt"), "another secret\n");
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
    assert.equal((await run("provider", "sync", "corp")).code, 1);
    assert.deepEqual(await lines("provider", "lost", "corp"), [""]);
    await writeFile(join(folder, "bad.yaml"), "providers: [{kind: ldap}]");
    assert.equal((await run("provider", "apply", "-f", join(folder, "bad.yaml"))).code, 2);
    await writeFile(
      join(folder, "plain.yaml"),
      "providers: [{name: x, kind: keystone, settings: {url: 'http://k'}}]",
    );
    const refused = await run("provider", "apply", "-f", join(folder, "plain.yaml"));
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /use https/);
    assert.deepEqual(await lines("provider", "rm", "corp"), ["corp: deleted"]);
  });
});
