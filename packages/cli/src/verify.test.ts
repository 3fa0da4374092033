import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCli } from "./testing/run-cli.ts";
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

test("storage regions that do not answer are passed over, named, and told by an exit code of their own", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-cli-verify-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  // Nobody listens there.
  const away = (bucket: string) => `s3://${bucket}?endpoint=${encodeURIComponent("http://127.0.0.1:9")}`;
  const environment = {
    ENTREPOT_DATA_DIR: folder,
    ENTREPOT_REGION: "eu",
    ENTREPOT_STORAGE_REGIONS: `eu=${away("blobs-eu")} us=${away("blobs-us")}`,
    ENTREPOT_STORAGE_ACCESS_KEY: "someone",
    ENTREPOT_STORAGE_SECRET_KEY: "secret",
  };
  const { code, stdout, stderr } = await runCli(["verify", "--json"], environment);
  assert.equal(code, 7, stderr);
  const report = JSON.parse(stdout);
  assert.deepEqual([report.problems, report.isCut], [0, false]);
  const seen = report.unseenRegions.map(({ region, isListed }: { region: string; isListed: boolean }) => [
    region,
    isListed,
  ]);
  assert.deepEqual(seen, [
    ["eu", false],
    ["us", false],
  ]);
  assert.match(stderr, /storage region us: 0 blobs were not looked at/);
});
