import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkInstallation } from "./doctor.ts";

test("each thing that is wrong with the configuration is a finding of one line, and nothing else is looked at", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-doctor-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const configFile = join(folder, "entrepot.yaml");
  await writeFile(configFile, "port: many\ndataDirectory: /nowhere\n");
  const findings = await checkInstallation({ configFile });
  assert.deepEqual(
    findings.map(({ name, ok }) => [name, ok]),
    [
      ["configuration", false],
      ["configuration", false],
    ],
  );
  assert.match(findings.map(({ message }) => message).join("|"), /dataDirectory/);
  assert.ok(findings.every(({ message }) => !message.includes("\n")));
});
