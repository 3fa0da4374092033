import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { administrator } from "./testing/served-registry.ts";
import { type SignedInRegistry, startSignedInRegistry } from "./testing/signed-in-registry.ts";

let registry: SignedInRegistry;

before(async () => {
  registry = await startSignedInRegistry();
});
after(async () => registry.stop());

const basic = Buffer.from(`${administrator.username}:${administrator.password}`).toString("base64");
const content = "a blob to be damaged";
const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;

async function pushBlob(): Promise<void> {
  const pushed = await fetch(`${registry.origin}/v2/acme/app/blobs/uploads/?digest=${digest}`, {
    method: "POST",
    headers: { authorization: `Basic ${basic}`, "content-type": "application/octet-stream" },
    body: content,
  });
  assert.equal(pushed.status, 201, await pushed.text());
}

test("a running registry checks itself, tells an auditor what is damaged, and repairs it for an administrator", async () => {
  await registry.text("org", "create", "acme");
  await pushBlob();
  const verify = (...args: string[]) => registry.run("verify", "--registry", registry.host, ...args);
  const clean = await verify();
  assert.equal(clean.code, 0, clean.stderr);
  assert.match(clean.stdout, /^problems +0$/m);
  assert.match(clean.stderr, /1 of 1 blobs/);

  const storage = join(registry.environment["ENTREPOT_DATA_DIR"] ?? "", "storage", "blobs");
  const files = await readdir(storage, { recursive: true, withFileTypes: true });
  const [file] = files.filter((entry) => entry.isFile());
  await writeFile(join(file?.parentPath ?? "", file?.name ?? ""), content.replace("blob", "slob"));

  await registry.addUser("audrey", "correct-horse-battery");
  await registry.text("user", "set", "audrey", "--auditor");
  await registry.addUser("otto", "correct-horse-battery");
  await registry.signIn("otto", "correct-horse-battery");
  assert.equal((await verify()).code, 4, "whoever is no auditor has nothing checked");
  await registry.signIn("audrey", "correct-horse-battery");
  const told = await verify("--json");
  assert.equal(told.code, 1);
  const report = JSON.parse(told.stdout);
  assert.deepEqual([report.problems, report.unrepaired, report.found[0].subject], [1, 1, digest]);
  assert.match((await verify("--repair")).stderr, /only administrators/);

  await registry.signIn(administrator.username, administrator.password);
  assert.match((await verify("--repair")).stdout, /^in quarantine until pushed again +1$/m);
  await pushBlob();
  const healed = await verify();
  assert.match(healed.stderr, /found stray-object|1 of 1 blobs/);
  const wrong = await verify("--resume");
  assert.equal(wrong.code, 2);
});
