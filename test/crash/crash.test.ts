import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import {
  type Content,
  digestOf,
  manifestOf,
  openSession,
  type RegistrySession,
  randomContent,
} from "../support/registry-session.ts";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";

// The short form is for every run; `ENTREPOT_TEST_KILLS=500` is the long one.
const kills = Number(process.env["ENTREPOT_TEST_KILLS"] ?? 25);
const pushers = 4;

/** What the server has acknowledged, and what it was asked for without an answer. */
interface Ledger {
  readonly blobs: Map<string, { readonly repository: string; readonly content: Content }>;
  readonly manifests: Map<string, { readonly repository: string; readonly manifest: Content }>;
  /** Repository and tag → digests that may be seen: the last acknowledged one, and any asked for after it. */
  readonly tags: Map<string, { acknowledged: string | undefined; possible: Set<string> }>;
  readonly unanswered: Map<string, { readonly repository: string; readonly content: Content }>;
}

test(`after each of ${kills} kills during pushes everything acknowledged is there and nothing is half there`, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "entrepot-crash-"));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const port = await freePort();
  const ledger: Ledger = { blobs: new Map(), manifests: new Map(), tags: new Map(), unanswered: new Map() };
  const start = () => startServer({ dataDir, port, settings: { ENTREPOT_UPLOAD_EXPIRY_HOURS: "1" } });
  let server: ServerProcess = await start();
  t.after(() => server.stop("SIGKILL"));
  for (let kill = 0; kill < kills; kill++) {
    const session = openSession(server.origin, administrator);
    const dying = new AbortController();
    const work = Array.from({ length: pushers }, (_, pusher) =>
      pushUntil(dying.signal, session, ledger, pusher),
    );
    // Every other time only when something has been acknowledged whole: a server that has just started is slow on a busy machine.
    const before = ledger.manifests.size;
    for (let tries = 0; kill % 2 === 1 && ledger.manifests.size === before && tries < 1_000; tries++)
      await wait(10);
    await wait(20 + Math.random() * 250);
    await server.stop("SIGKILL");
    dying.abort();
    await Promise.all(work);
    server = await start();
    // All of the newest and a sample of the old ones: the whole ledger is checked at the end.
    await verify(openSession(server.origin, administrator), ledger, 40);
  }
  await verify(openSession(server.origin, administrator), ledger, Number.POSITIVE_INFINITY);
  t.diagnostic(`${ledger.blobs.size} blobs and ${ledger.manifests.size} manifests were acknowledged`);
  assert.ok(ledger.manifests.size >= Math.floor(kills / 2), "the pushers got work done between the kills");
  await server.stop("SIGTERM");
  await assertNoStrays(dataDir);
});

async function pushUntil(
  signal: AbortSignal,
  session: RegistrySession,
  ledger: Ledger,
  pusher: number,
): Promise<void> {
  const repository = `crash/pusher${pusher}`;
  const ways = ["post", "put", "patch"] as const;
  for (let round = 0; !signal.aborted; round++) {
    try {
      const contents = [
        randomContent(200),
        randomContent(Math.floor(Math.random() ** 3 * 2_000_000)),
      ] as const;
      for (const [index, content] of contents.entries()) {
        ledger.unanswered.set(content.digest, { repository, content });
        const way = ways[(round + index + pusher) % 3] ?? "post";
        if ((await session.pushBlob(repository, content, way)) !== 201) continue;
        ledger.blobs.set(content.digest, { repository, content });
        ledger.unanswered.delete(content.digest);
      }
      const manifest = manifestOf(contents[0], [contents[1]], `${pusher} ${round}`);
      const tag = `t${round % 3}`;
      const seen = ledger.tags.get(`${repository}:${tag}`) ?? {
        acknowledged: undefined,
        possible: new Set(),
      };
      ledger.tags.set(`${repository}:${tag}`, seen);
      seen.possible.add(manifest.digest);
      const status = await session.pushManifest(repository, tag, manifest);
      if (status !== 201) continue;
      ledger.manifests.set(manifest.digest, { repository, manifest });
      seen.acknowledged = manifest.digest;
      seen.possible.clear();
      seen.possible.add(manifest.digest);
    } catch {
      // The server died in the middle: what it had not answered may or may not be there.
      return;
    }
  }
}

async function verify(session: RegistrySession, ledger: Ledger, sample: number): Promise<void> {
  for (const [digest, { repository, content }] of [...ledger.blobs].slice(-sample)) {
    const response = await session.request("GET", `/v2/${repository}/blobs/${digest}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    assert.equal(
      response.status,
      200,
      `the acknowledged blob ${digest} of ${content.bytes.byteLength} bytes is there`,
    );
    assert.equal(digestOf(bytes), digest, "a digest never serves other bytes");
  }
  for (const [digest, { repository, manifest }] of [...ledger.manifests].slice(-sample)) {
    const response = await session.request("GET", `/v2/${repository}/manifests/${digest}`);
    assert.equal(response.status, 200, `the acknowledged manifest ${digest} is there`);
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), new Uint8Array(manifest.bytes));
  }
  for (const [digest, { repository }] of [...ledger.unanswered].slice(-sample)) {
    const response = await session.request("GET", `/v2/${repository}/blobs/${digest}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status === 200) assert.equal(digestOf(bytes), digest, "a blob is whole or not there");
    else assert.equal(response.status, 404);
  }
  for (const [name, tag] of ledger.tags) {
    const [repository = "", reference = ""] = name.split(":");
    const response = await session.request("HEAD", `/v2/${repository}/manifests/${reference}`);
    const digest = response.headers.get("docker-content-digest");
    if (tag.acknowledged === undefined && response.status === 404) continue;
    assert.ok(
      digest !== null && tag.possible.has(digest),
      `${name} shows ${digest}, which nobody pushed last`,
    );
    tag.acknowledged = digest;
  }
}

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
