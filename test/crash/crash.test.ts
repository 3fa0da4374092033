import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { openLedger, pushUntil, verifyLedger } from "../support/ledger.ts";
import { openSession } from "../support/registry-session.ts";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";

// The short form is for every run; `ENTREPOT_TEST_KILLS=500` is the long one.
const kills = Number(process.env["ENTREPOT_TEST_KILLS"] ?? 25);
const pushers = 4;

test(`after each of ${kills} kills during pushes everything acknowledged is there and nothing is half there`, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "entrepot-crash-"));
  const port = await freePort();
  const ledger = openLedger();
  const start = () => startServer({ dataDir, port, settings: { ENTREPOT_UPLOAD_EXPIRY_HOURS: "1" } });
  let server: ServerProcess = await start();
  t.after(async () => {
    await server.stop("SIGKILL");
    await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });
  for (let kill = 0; kill < kills; kill++) {
    const session = openSession(server.origin, administrator);
    const dying = new AbortController();
    const work = Array.from({ length: pushers }, (_, pusher) =>
      pushUntil(dying.signal, session, ledger, { pusher }),
    );
    // Every other time only when something has been acknowledged whole: a server that has just started is slow on a busy machine.
    const before = ledger.manifests.size;
    for (let tries = 0; kill % 2 === 1 && ledger.manifests.size === before && tries < 6_000; tries++)
      await wait(10);
    await wait(20 + Math.random() * 250);
    await server.stop("SIGKILL");
    dying.abort();
    await Promise.all(work);
    server = await start();
    // All of the newest and a sample of the old ones: the whole ledger is checked at the end.
    await verifyLedger(openSession(server.origin, administrator), ledger, 40);
  }
  await verifyLedger(openSession(server.origin, administrator), ledger, Number.POSITIVE_INFINITY);
  t.diagnostic(`${ledger.blobs.size} blobs and ${ledger.manifests.size} manifests were acknowledged`);
  assert.ok(ledger.manifests.size >= Math.floor(kills / 2), "the pushers got work done between the kills");
  await server.stop("SIGTERM");
  await assertNoStrays(dataDir);
});

/** Every file belongs to a row, and every row has its file: nothing that a crash left is forgotten. */
async function assertNoStrays(dataDir: string): Promise<void> {
  const database = new DatabaseSync(join(dataDir, "entrepot.db"), { readOnly: true });
  const column = (sql: string) =>
    database
      .prepare(sql)
      .all()
      .map((row) => String(Object.values(row)[0]));
  const blobs = column("select location from blobs");
  const doomed = column("select location from blob_deletions");
  const uploads = new Set(column("select id from uploads"));
  database.close();
  const storage = join(dataDir, "storage");
  const files = (await readdir(storage, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(storage.length + 1));
  const known = (file: string) => {
    const name = file.replace(/^blobs\//, "");
    if ([...blobs, ...doomed].some((location) => file.endsWith(location) || location.endsWith(name)))
      return true;
    return [...uploads].some((id) => file.includes(id));
  };
  assert.deepEqual(
    files.filter((file) => !known(file)),
    [],
    "no file without a row",
  );
  for (const location of blobs) {
    assert.ok(
      files.some((file) => file.endsWith(location)),
      `the blob at ${location} has its file`,
    );
  }
}
