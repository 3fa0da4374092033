import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isObject } from "@entrepot/oci/json-object";
import { runCli } from "./testing/run-cli.ts";
import { administrator, startServedRegistry } from "./testing/served-registry.ts";

test("a running registry gets a new key, is backed up, verified and restored by commands", async (t) => {
  const registry = await startServedRegistry();
  t.after(() => registry.stop());
  const folder = await mkdtemp(join(tmpdir(), "entrepot-cli-keys-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const basic = Buffer.from(`${administrator.username}:${administrator.password}`).toString("base64");
  const made = await fetch(`${registry.origin}/api/v1/me/access-tokens`, {
    method: "POST",
    headers: { authorization: `Basic ${basic}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "ci" }),
  });
  const token: unknown = await made.json();
  assert.ok(made.status === 201 && isObject(token), JSON.stringify(token));
  const secret = String(token["secret"] ?? token["token"]);
  const works = async () =>
    (await fetch(`${registry.origin}/api/v1/me`, { headers: { authorization: `Bearer ${secret}` } })).status;
  assert.equal(await works(), 200);

  const command = async (environment: Readonly<Record<string, string>>, ...args: string[]) => {
    const { code, stdout, stderr } = await runCli([...args, "--json"], environment);
    const json: unknown = stdout === "" ? {} : JSON.parse(stdout);
    assert.ok(isObject(json), stdout);
    return { code, stderr, json };
  };
  const rotated = await command(registry.environment, "keys", "rotate");
  assert.equal(rotated.code, 0, rotated.stderr);
  const { status } = rotated.json;
  assert.ok(isObject(status) && Array.isArray(status["fingerprints"]));
  assert.equal(status["fingerprints"].length, 2);
  assert.equal(status["credentialsOfOlderKeys"], 1);
  assert.equal(await works(), 200, "what was made with the older key");
  const refused = await command(registry.environment, "keys", "rotate", "--step", "retire");
  assert.equal(refused.code, 6);
  assert.match(refused.stderr, /1 credentials/);

  const target = join(folder, "backup");
  const backup = await command(registry.environment, "backup", target);
  assert.equal(backup.code, 0, backup.stderr);
  assert.ok((await readdir(target)).includes("secret.key"));
  const restored = { ENTREPOT_DATA_DIR: join(folder, "restored") };
  assert.equal((await command(restored, "restore", target)).code, 0);
  const again = await command(restored, "restore", target);
  assert.equal(again.code, 6);
  assert.match(again.stderr, /empty place/);
  const verified = await command(restored, "verify");
  assert.equal(verified.code, 0, verified.stderr);
  assert.equal(verified.json["problems"], 0);
});
