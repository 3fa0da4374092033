import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { type Ledger, openLedger, pushUntil, verifyLedger } from "../support/ledger.ts";
import {
  digestOf,
  manifestOf,
  openSession,
  type RegistrySession,
  randomContent,
} from "../support/registry-session.ts";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";
import { openTestPostgres } from "../support/test-postgres.ts";

const program = resolve(import.meta.dirname, "../../packages/cli/bin/entrepot.mjs");
const moveLimitMs = 400_000;
const kills = 5;

interface Place {
  readonly dataDir: string;
  readonly target: string;
  /** Ended with the test, before the folder and the database go that they use. */
  readonly servers: ServerProcess[];
}

async function openPlace(t: TestContext): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-move-database-"));
  const postgres = await openTestPostgres();
  const servers: ServerProcess[] = [];
  t.after(async () => {
    for (const server of servers) await server.stop("SIGKILL");
    await postgres.dispose();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return { dataDir: join(folder, "data"), target: postgres.url, servers };
}

test("a registry moves from SQLite to PostgreSQL while it is pushed to, pulled and deleted from; what kills the command on the way loses nothing", async (t) => {
  const place = await openPlace(t);
  const { dataDir, target } = place;
  const old = await startServer({ dataDir, port: await freePort() });
  place.servers.push(old);
  const session = openSession(old.origin, administrator, 20_000);
  const ledger = openLedger();
  const deleted = new Map<string, string>();
  const isOver = new AbortController();
  t.after(() => isOver.abort());
  const pushes = [0, 1].map((pusher) => pushUntil(isOver.signal, session, ledger, { pusher, goesOn: true }));
  const work = [...pushes, deleteUntil(isOver.signal, session, ledger, deleted)];
  const half = randomContent(90_000);
  const upload = await beginUpload(session, "crash/half", half.bytes.subarray(0, 40_000));
  while (ledger.manifests.size < 20) await wait(50);

  // Killed at any moment: the registry goes on, and takes every write.
  // On an idle machine the whole move takes not much longer.
  const lastsMs = 1_000;
  for (let kill = 0; kill < kills; kill += 1) {
    const mover = startMove(place, []);
    // From the moment when it has begun to work, however long a start takes here.
    while (isRunning(mover.child) && !mover.printed.stderr.includes("copying")) await wait(5);
    await Promise.race([wait(Math.random() * lastsMs), mover.ended]);
    mover.child.kill("SIGKILL");
    const { code } = await mover.ended;
    const step = mover.printed.stderr.trim().split("\n").at(-1);
    t.diagnostic(`ended (${code ?? "killed"}) while it said: ${step}`);
    if (code === 0) break;
    const state = await session.request("GET", "/health/ready");
    if (state.status !== 200) break; // it died in the last moment: the next one ends it
    const before = ledger.manifests.size;
    for (const end = performance.now() + 60_000; ledger.manifests.size === before; await wait(20)) {
      assert.ok(performance.now() < end, "pushes go on after the command was killed");
    }
  }
  t.diagnostic(`${kills} commands killed, ${ledger.manifests.size} manifests pushed so far`);

  // Waits for its database while that is filled.
  const port = await freePort();
  const mover = startMove(place, ["--json"]);
  // One that was killed at its very end has moved everything already: then this one only opens the target.
  while (!/copying|opening/.test(mover.printed.stderr) && isRunning(mover.child)) await wait(10);
  const next = startServer({ dataDir, port, settings: { ENTREPOT_DATABASE_URL: target } });
  next.catch(() => undefined);
  const moved = await mover.ended;
  assert.equal(moved.code, 0, moved.stderr);
  const report = JSON.parse(moved.stdout);
  const fresh = await next;
  const openedAtMs = performance.now();
  place.servers.push(fresh);
  isOver.abort();
  await Promise.all(work);

  // The old one: writes are refused with a sentence, reads are answered, and a balancer is told.
  const refused = await session.request("POST", "/v2/crash/late/blobs/uploads/");
  assert.equal(refused.status, 503);
  assert.match(await refused.text(), /has moved to PostgreSQL.*ENTREPOT_DATABASE_URL/);
  const ready = await session.request("GET", "/health/ready");
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /has moved to PostgreSQL/);
  const instance = await session.request("GET", "/health/instance");
  assert.equal(instance.status, 503);
  assert.match(await instance.text(), /DATABASE_MOVED/);
  assert.equal((await session.request("GET", "/health/live")).status, 200);
  const [anything] = ledger.manifests;
  assert.ok(anything !== undefined);
  const read = await session.request("GET", `/v2/${anything[1].repository}/manifests/${anything[0]}`);
  assert.ok(read.status === 200 || deleted.has(anything[0]), `a read is answered: ${read.status}`);

  // The new one: all that was acknowledged, nothing that was deleted, and the upload that was half-way.
  const there = openSession(fresh.origin, administrator, 20_000);
  for (const digest of deleted.keys()) ledger.manifests.delete(digest);
  await verifyLedger(there, ledger, Number.POSITIVE_INFINITY);
  for (const [digest, repository] of deleted) {
    const response = await there.request("HEAD", `/v2/${repository}/manifests/${digest}`);
    assert.equal(response.status, 404, `${digest} was deleted`);
  }
  await endUpload(there, upload, half.bytes.subarray(40_000), half.digest);
  const whole = await there.request("GET", `/v2/crash/half/blobs/${half.digest}`);
  assert.equal(digestOf(new Uint8Array(await whole.arrayBuffer())), half.digest);
  await pushSomething(there);
  const audit = await there.request("GET", "/api/v1/audit/verification?n=1000");
  const chain = await audit.text();
  assert.match(chain, /"isIntact":true/);

  const again = await startMove(place, ["--json"]).ended;
  assert.equal(again.code, 0, again.stderr);
  const aborted = await startMove(place, ["--abort"]).ended;
  assert.equal(aborted.code, 6, aborted.stderr); // a conflict
  assert.match(aborted.stderr, /the move is done/);
  await old.stop("SIGTERM");
  await assert.rejects(
    startServer({ dataDir, port: await freePort() }),
    /has moved to PostgreSQL: start with/,
  );
  const environment = { ENTREPOT_DATABASE_URL: target };
  const verified = await entrepot(place, ["verify", "--json"], environment).ended;
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  t.diagnostic(
    `${report.rows} rows and ${report.changes} changes in ${Math.round(report.durationMs)} ms, writers waited ${Math.round(report.heldMs)} ms; ${deleted.size} deletions; verified ${Math.round(performance.now() - openedAtMs)} ms later`,
  );
});

test("a registry that does not run is moved the same way, and looked at before", async (t) => {
  const place = await openPlace(t);
  const { dataDir, target } = place;
  const server = await startServer({ dataDir, port: await freePort() });
  await pushSomething(openSession(server.origin, administrator));
  await server.stop("SIGTERM");
  const planned = await startMove(place, ["--dry-run", "--json"]).ended;
  assert.equal(planned.code, 0, planned.stderr);
  const plan = JSON.parse(planned.stdout);
  assert.deepEqual([plan.target, plan.begun], ["empty", undefined]);
  assert.ok(plan.rows > 10);
  const moved = await startMove(place, ["--json"]).ended;
  assert.equal(moved.code, 0, moved.stderr);
  assert.equal(JSON.parse(moved.stdout).rows, plan.rows);
  const fresh = await startServer({
    dataDir,
    port: await freePort(),
    settings: { ENTREPOT_DATABASE_URL: target },
  });
  place.servers.push(fresh);
  await pushSomething(openSession(fresh.origin, administrator));
});

/** Deletes manifests that were acknowledged; what is not answered may have been deleted, and is asked for again until it is. */
async function deleteUntil(
  signal: AbortSignal,
  session: RegistrySession,
  ledger: Ledger,
  deleted: Map<string, string>,
): Promise<void> {
  while (!signal.aborted) {
    await wait(150);
    // Old ones, which no tag shows any more.
    const shown = new Set([...ledger.tags.values()].flatMap(({ possible }) => [...possible]));
    const found = [...ledger.manifests].find(([digest]) => !deleted.has(digest) && !shown.has(digest));
    if (found === undefined || ledger.manifests.size - deleted.size < 10) continue;
    const [digest, { repository, manifest }] = found;
    ledger.manifests.delete(digest);
    const status = await session
      .request("DELETE", `/v2/${repository}/manifests/${digest}`)
      .then(({ status: answer }) => answer)
      .catch(() => 0);
    if (status === 202) {
      deleted.set(digest, repository);
      const layers: { readonly config: { digest: string }; readonly layers: readonly { digest: string }[] } =
        JSON.parse(Buffer.from(manifest.bytes).toString());
      // Collected soon.
      for (const blob of [layers.config, ...layers.layers]) ledger.blobs.delete(blob.digest);
    } else if (status === 503) ledger.manifests.set(digest, { repository, manifest });
  }
}

async function beginUpload(session: RegistrySession, repository: string, bytes: Uint8Array): Promise<string> {
  const begun = await session.request("POST", `/v2/${repository}/blobs/uploads/`);
  assert.equal(begun.status, 202);
  const location = pathOf(begun);
  const chunk = await session.request("PATCH", location, {
    body: bytes,
    headers: { "content-type": "application/octet-stream" },
  });
  assert.equal(chunk.status, 202, await chunk.text());
  return pathOf(chunk);
}

async function endUpload(
  session: RegistrySession,
  path: string,
  bytes: Uint8Array,
  digest: string,
): Promise<void> {
  const state = await session.request("GET", path);
  assert.equal(state.status, 204);
  assert.equal(state.headers.get("range"), "0-39999");
  const separator = path.includes("?") ? "&" : "?";
  const ended = await session.request("PUT", `${path}${separator}digest=${digest}`, {
    body: bytes,
    headers: { "content-type": "application/octet-stream" },
  });
  assert.equal(ended.status, 201, await ended.text());
}

function pathOf(response: Response): string {
  const url = new URL(response.headers.get("location") ?? "", "http://registry");
  return url.pathname + url.search;
}

async function pushSomething(session: RegistrySession): Promise<void> {
  const [config, layer] = [randomContent(100), randomContent(1_000)];
  for (const content of [config, layer])
    assert.equal(await session.pushBlob("acme/app", content, "put"), 201);
  assert.equal(await session.pushManifest("acme/app", "v1", manifestOf(config, [layer])), 201);
}

/** False also for one that its time limit has ended. */
function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

function startMove(place: Place, flags: readonly string[]) {
  return entrepot(place, ["database", "move", "--to", place.target, ...flags], {});
}

function entrepot({ dataDir }: Place, args: readonly string[], settings: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, ["--conditions=source", program, ...args], {
    env: { PATH: process.env["PATH"], ENTREPOT_DATA_DIR: dataDir, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: moveLimitMs,
  });
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      printed[name] += text;
    });
  }
  const ended = once(child, "close").then(() => ({ code: child.exitCode, ...printed }));
  return { child, ended, printed };
}
