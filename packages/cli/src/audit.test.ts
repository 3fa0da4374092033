import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { administrator } from "./testing/served-registry.ts";
import { type SignedInRegistry, startSignedInRegistry } from "./testing/signed-in-registry.ts";

describe("entrepot audit and elevate", () => {
  let registry: SignedInRegistry;

  before(async () => {
    registry = await startSignedInRegistry();
  });
  after(async () => registry.stop());

  const run = (...args: string[]) => registry.run(...args);
  const text = (...args: string[]) => registry.text(...args);

  it("assumes a role, and the log says so, can be exported and is intact", async () => {
    await text("org", "create", "acme");
    const role = join(registry.folder, "role.json");
    const body = {
      grants: [{ pattern: "acme/**", role: "write" }],
      assumableBy: [{ username: administrator.username }],
      maxDurationSeconds: 3_600,
    };
    await writeFile(role, JSON.stringify(body));
    assert.equal(
      await text("elevate", "roles", "set", "acme/release", "--file", role),
      "acme/release is set\n",
    );
    assert.match(await text("elevate", "roles", "ls"), /^acme\/release +3600 +false/);
    const short = await run("elevate", "start", "acme/release", "--reason", "short");
    assert.equal(short.code, 2);
    const started = await text("elevate", "start", "acme/release", "--reason", "hot fix for incident 812");
    assert.match(started, /^elevation 1 to acme\/release holds until 20/);
    const approved = await run("elevate", "approve", "1");
    assert.match(approved.stderr, /somebody else has to decide/);
    assert.equal(await text("elevate", "end", "1"), "elevation 1 is over\n");
    assert.match(await text("elevate", "ls"), /^1 +admin +acme\/release +ended /);

    const listed = await text("audit", "ls", "--elevation", "1", "--action", "elevation.*");
    assert.match(listed, /elevation\.end +succeeded .*\n.*elevation\.start +succeeded /);
    assert.match(await text("audit", "ls", "--namespace", "acme"), /organization\.create/);
    const lines = (await text("audit", "export", "--actor", "admin")).trim().split("\n");
    assert.equal(
      lines.every((line) => JSON.parse(line).actor === "admin"),
      true,
    );
    assert.match(await text("audit", "export", "--format", "cef"), /^CEF:0\|Entrepot\|entrepot\|/);
    const verified = await text("audit", "verify");
    const [, end = ""] = /^\d+ entries are intact\nit ends at (\d+:[0-9a-f]{64})\n$/.exec(verified) ?? [];
    await text("audit", "verify", "--anchor", end);
    const cut = await run("audit", "verify", "--anchor", `999999:${"a".repeat(64)}`);
    assert.equal(cut.code, 1);
    assert.match(cut.stderr, /its end was cut off/);
  });

  it("sets, lists and removes forwarders, and shows a secret once", async () => {
    const secret = (
      await text("audit", "forwarders", "set", "hook", "--https", "https://hooks.example.org/x")
    ).trim();
    assert.equal(secret.length, 43);
    const listed = await text("audit", "forwarders", "ls");
    assert.match(listed, /^hook +https +true/m);
    assert.equal(listed.includes(secret), false);
    const plain = await run("audit", "forwarders", "set", "siem", "--syslog", "127.0.0.1:514", "--tcp");
    assert.match(plain.stderr, /without TLS is not allowed/);
    assert.equal((await run("audit", "forwarders", "set", "siem")).code, 2);
    await text("audit", "forwarders", "rm", "hook");
  });
});
