import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { manifestOf, openSession, randomContent } from "../support/registry-session.ts";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";
import { openTestPostgres } from "../support/test-postgres.ts";

const run = promisify(execFile);
const program = resolve(import.meta.dirname, "../../packages/cli/bin/entrepot.mjs");

async function postgresProgram(name: string): Promise<string> {
  const versions = (await readdir("/usr/lib/postgresql")).sort((a, b) => Number(b) - Number(a));
  return join("/usr/lib/postgresql", versions[0] ?? "", "bin", name);
}

test("pg_dump, then a copy of the storage while bytes are held, restored elsewhere verify clean", async (t) => {
  const [source, target] = [await openTestPostgres(), await openTestPostgres()];
  const folder = await mkdtemp(join(tmpdir(), "entrepot-pg-backup-"));
  const servers: ServerProcess[] = [];
  t.after(async () => {
    for (const each of servers) await each.stop("SIGKILL");
    await source.dispose();
    await target.dispose();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  const [dataDir, restoredDir] = [join(folder, "data"), join(folder, "restored")];
  const settings = {
    ENTREPOT_DATABASE_URL: source.url,
    ENTREPOT_GC_GRACE_SECONDS: "0",
    ENTREPOT_GC_INTERVAL_SECONDS: "1",
  };
  const server = await startServer({ dataDir, port: await freePort(), settings });
  servers.push(server);
  const session = openSession(server.origin, administrator);
  const layers = [randomContent(50_000), randomContent(100)];
  const [config = randomContent(1)] = layers;
  for (const layer of layers) assert.equal(await session.pushBlob("acme/app", layer, "post"), 201);
  const manifest = manifestOf(config, layers);
  // With no grace at all the collector may be faster: then the blobs come again.
  let status = await session.pushManifest("acme/app", "v1", manifest);
  for (let attempt = 0; status !== 201 && attempt < 20; attempt += 1) {
    for (const layer of layers) await session.pushBlob("acme/app", layer, "post");
    status = await session.pushManifest("acme/app", "v1", manifest);
  }
  assert.equal(status, 201);

  const hold = await session.request("PUT", "/api/v1/garbage-collection/hold", {
    body: Buffer.from(JSON.stringify({ hours: 1 })),
    headers: { "content-type": "application/json" },
  });
  assert.equal(hold.status, 200, await hold.text());
  const dump = join(folder, "dump");
  await run(await postgresProgram("pg_dump"), ["--format=custom", `--file=${dump}`, source.url]);
  // Deleted after the dump, collected at once: only the hold keeps its bytes.
  const deleted = await session.request("DELETE", `/v2/acme/app/manifests/${manifest.digest}`);
  assert.equal(deleted.status, 202);
  const gone = async () =>
    (await session.request("HEAD", `/v2/acme/app/blobs/${config.digest}`)).status === 404;
  for (const end = performance.now() + 120_000; !(await gone()); ) assert.ok(performance.now() < end);
  await cp(dataDir, restoredDir, { recursive: true });
  await server.stop("SIGTERM");

  await run(await postgresProgram("pg_restore"), ["--no-owner", `--dbname=${target.url}`, dump]);
  const environment = { ENTREPOT_DATA_DIR: restoredDir, ENTREPOT_DATABASE_URL: target.url };
  const path = process.env["PATH"] ?? "";
  const verified = await run(process.execPath, ["--conditions=source", program, "verify", "--json"], {
    env: { PATH: path, ...environment },
  });
  const { problems } = JSON.parse(verified.stdout) as { readonly problems: number };
  assert.equal(problems, 0, verified.stdout);
  const restored = await startServer({ dataDir: restoredDir, port: await freePort(), settings: environment });
  servers.push(restored);
  const again = openSession(restored.origin, administrator);
  for (const { digest, bytes } of layers) {
    const response = await again.request("GET", `/v2/acme/app/blobs/${digest}`);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), Buffer.from(bytes));
  }
});
