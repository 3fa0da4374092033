import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
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

test("what an object store refuses is told with what to set right, and without a secret", async (t) => {
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(403, { "content-type": "application/xml" });
      response.end("<Error><Code>InvalidAccessKeyId</Code><Message>m</Message></Error>");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  const folder = await mkdtemp(join(tmpdir(), "entrepot-doctor-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const configFile = join(folder, "entrepot.yaml");
  const storage = `  url: s3://the-bucket?endpoint=http://127.0.0.1:${port}&pathStyle=true\n  accessKey: nobody\n  secretKey: the-secret\n`;
  await writeFile(configFile, `dataDir: ${folder}\nstorage:\n${storage}`);
  const findings = await checkInstallation({ configFile });
  const { ok, message = "" } = findings.find(({ name }) => name === "object store") ?? {};
  assert.equal(ok, false);
  assert.match(message, /^cannot put an object: .*\(InvalidAccessKeyId\): correct storage\.accessKey/);
  assert.doesNotMatch(JSON.stringify(findings), /the-secret|the-bucket/);
});
