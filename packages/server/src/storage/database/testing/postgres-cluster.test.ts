import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { startPostgresCluster } from "./postgres-cluster.ts";

test("starts a server that answers on its socket and leaves no file when stopped", async () => {
  const cluster = await startPostgresCluster();
  const client = new Client({ connectionString: cluster.url });
  await client.connect();
  const { rows } = await client.query("show listen_addresses");
  assert.deepEqual(rows, [{ listen_addresses: "" }], "no network");
  await client.end();
  await cluster.stop();
  await cluster.stop();
  assert.equal(existsSync(folderOf(cluster.url)), false);
});

test("the server and its files go when the process that started it is killed", async () => {
  const module = join(import.meta.dirname, "postgres-cluster.ts");
  const script = `
    const { startPostgresCluster } = await import(${JSON.stringify(module)});
    console.log((await startPostgresCluster()).url);
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ["--conditions=source", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [url] = (await once(createInterface(owner.stdout), "line")) as [string]; // as: readline emits lines
  const folder = folderOf(url);
  assert.equal(existsSync(folder), true);
  owner.kill("SIGKILL");
  for (let attempt = 0; existsSync(folder) && attempt < 1_200; attempt += 1) await delay(50);
  assert.equal(existsSync(folder), false);
});

function folderOf(url: string): string {
  return decodeURIComponent(new URL(url.replace("@/", "@localhost/")).searchParams.get("host") ?? "");
}

test("says what to install when there is no server to start", async () => {
  await assert.rejects(startPostgresCluster(import.meta.dirname), /apt-get install postgresql/);
  await assert.rejects(
    startPostgresCluster(join(import.meta.dirname, "missing")),
    /apt-get install postgresql/,
  );
});
