import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { clientConfig } from "./client-config.ts";

const url = "postgres://entrepot:old@db.example.org/entrepot";

test("the password comes from the url, or anew from the file for each connection", async (t) => {
  assert.equal(clientConfig({ url, acquireTimeoutMs: 1 }, 0).password, "old");
  const folder = await mkdtemp(join(tmpdir(), "entrepot-password-"));
  t.after(() => rm(folder, { recursive: true }));
  const passwordFile = join(folder, "password");
  const { password } = clientConfig({ url, passwordFile, acquireTimeoutMs: 1 }, 0);
  assert.ok(typeof password === "function");
  await assert.rejects(async () => password(), { code: "UNAVAILABLE" });
  await writeFile(passwordFile, "first\n");
  assert.equal(await password(), "first");
  await writeFile(passwordFile, "second");
  assert.equal(await password(), "second");
});
