import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { startObjectServer } from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { countConnections } from "@entrepot/server/storage/database/testing/count-connections";
import { startPostgresCluster } from "@entrepot/server/storage/database/testing/postgres-cluster";
import { openLedger, pushUntil, verifyLedger } from "../support/ledger.ts";
import {
  contentOf,
  manifestOf,
  openSession,
  type RegistrySession,
  randomContent,
} from "../support/registry-session.ts";
import { administrator } from "../support/server-process.ts";
import { type Cluster, missingForCluster, startCluster } from "./start-cluster.ts";
import { missingForNamespaces, type Namespace, startNamespace } from "./start-namespace.ts";
import { startRelay } from "./start-relay.ts";
import { untilItWorks } from "./until-it-works.ts";

const skip = missingForCluster() ?? missingForNamespaces() ?? false;
const credentials = `${administrator.username}:${administrator.password}`;
/** Decision 36: what was deleted is not served for longer. A little more for the clock of the test. */
const staleLimitMs = 3_000 + 700;
/** Ten seconds on a machine that does nothing else. */
const limitMs = process.env["ENTREPOT_TEST_CHAOS"] === undefined ? 45_000 : 10_000;
/** One that TCP bridges by itself, and one after which it would be silent for longer than anybody wants to wait. */
const cutsMs = [5_000, 14_000] as const;

interface World {
  readonly t: TestContext;
  readonly cluster: Cluster;
  readonly network: Namespace;
  readonly databaseUrl: string;
  /** The instance that stays connected, and the one that is cut off. */
  readonly near: RegistrySession;
  readonly far: RegistrySession;
  /** The same two for requests of which each must come to its end, on a slow machine, too. */
  readonly patient: { readonly near: RegistrySession; readonly far: RegistrySession };
}

test("an instance whose packets vanish serves nothing stale, blocks nobody, loses nothing and is back soon", {
  skip,
}, async (t) => {
  const world = await begin(t);
  await whilePushing(world, async () => {
    for (const cutMs of cutsMs) await cutOnce(world, { cutMs, cut: () => world.network.cut() });
  });
});

test("nor does one whose packets to the database alone vanish, or to the bucket alone, while theirs arrive", {
  skip,
}, async (t) => {
  const world = await begin(t);
  const { network } = world;
  const [database, bucket] = network.serviceAddresses;
  await whilePushing(world, async () => {
    t.diagnostic("the database alone");
    await cutOnce(world, { cutMs: cutsMs[1], cut: () => network.cutTo(database) });
    t.diagnostic("the bucket alone");
    // It is alive and keeps its claims. What it has sent to the bucket waits for TCP, and nobody else may write until that is over.
    await cutOnce(world, { cutMs: cutsMs[1], cut: () => network.cutTo(bucket), heldLimitMs: 100_000 });
  });
});

/** Clients push through both instances during all of it, and find everything afterwards. */
async function whilePushing(world: World, work: () => Promise<void>): Promise<void> {
  const ledgers = [openLedger(), openLedger()];
  const over = new AbortController();
  // Two at each instance, in the same two repositories: whoever holds a row when it is cut off is in the others' way.
  const pushers = [world.near, world.far].flatMap((session, index) =>
    [0, 1].map((pusher) =>
      pushUntil(over.signal, session, ledgers[index] ?? openLedger(), { pusher, goesOn: true }),
    ),
  );
  try {
    await work();
  } finally {
    over.abort();
    await Promise.all(pushers);
  }
  // Not the tags, which both pushed.
  for (const session of [world.near, world.far])
    for (const ledger of ledgers) await verifyLedger(session, { ...ledger, tags: new Map() }, 500);
  const acknowledged = ledgers.reduce((sum, { manifests }) => sum + manifests.size, 0);
  world.t.diagnostic(`${acknowledged} manifests were acknowledged and are there, read from both`);
}

test("an instance that dies while it is cut off leaves no locks and no connections behind", {
  skip,
}, async (t) => {
  const { cluster, network, near, far, databaseUrl } = await begin(t);
  const over = new AbortController();
  const ledger = openLedger();
  const pushers = [0, 1, 2, 3].map(() => pushUntil(over.signal, far, ledger, { pusher: 0, goesOn: true }));
  try {
    await wait(1_500);
    await network.cut();
    await cluster.instances.at(-1)?.stop("SIGKILL");
    const startedAt = performance.now();
    await untilItWorks(near, "crash/pusher0", startedAt, 3 * limitMs);
    const freeAfterMs = performance.now() - startedAt;
    t.diagnostic(`what it was working on is free after ${Math.round(freeAfterMs)} ms`);
    assert.ok(freeAfterMs <= limitMs, `${Math.round(freeAfterMs)} ms`);
    const goneMs = await untilGone(databaseUrl, network.address, 120_000);
    t.diagnostic(`the database has closed its connections after ${Math.round(goneMs)} ms`);
  } finally {
    over.abort();
    await Promise.all(pushers);
  }
});

async function begin(t: TestContext): Promise<World> {
  const network = await startNamespace();
  t.after(() => network.close());
  const [databaseHost, bucketHost] = network.serviceAddresses;
  const trusted = `${network.hostAddress}/29`;
  const postgres = await startPostgresCluster(undefined, { listen_addresses: databaseHost }, trusted);
  t.after(() => postgres.stop());
  const objects = await startObjectServer("ceph");
  t.after(() => objects.stop());
  const objectsPort = Number(new URL(objects.origin).port);
  const bucket = await startRelay({ host: "127.0.0.1", port: objectsPort }, bucketHost);
  const databaseUrl = `postgres://postgres@${databaseHost}:5432/postgres`;
  const cluster = await startCluster(t, {
    instances: 2,
    objects,
    databaseUrl,
    routeOf: () => ({ database: databaseUrl, endpoint: `http://${bucketHost}:${bucket.port}` }),
    within: (index) => (index === 1 ? network : undefined),
  });
  t.after(() => bucket.close());
  const [nearOrigin, farOrigin] = cluster.instances.map(({ origin }) => origin);
  assert.ok(nearOrigin !== undefined && farOrigin !== undefined);
  const sessions = (timeoutMs: number) => ({
    near: openSession(nearOrigin, administrator, timeoutMs),
    far: openSession(farOrigin, administrator, timeoutMs),
  });
  return { t, cluster, network, databaseUrl, ...sessions(8_000), patient: sessions(60_000) };
}

interface Cut {
  readonly cutMs: number;
  readonly cut: () => Promise<void>;
  /** How long an upload may be held that the instance was in the middle of. */
  readonly heldLimitMs?: number;
}

async function cutOnce(world: World, { cutMs, cut, heldLimitMs = limitMs + 2_000 }: Cut): Promise<void> {
  const { t, network, near, far, patient, cluster } = world;
  const config = contentOf(Buffer.from("{}"));
  assert.equal(await patient.near.pushBlob("admin/app", config, "post"), 201);
  const manifest = manifestOf(config, [], `cut for ${cutMs}`);
  assert.equal(await patient.near.pushManifest("admin/app", manifest.digest, manifest), 201);
  const path = `/v2/admin/app/manifests/${manifest.digest}`;
  // It has it in memory.
  for (let reads = 0; reads < 3; reads++) assert.equal((await patient.far.request("HEAD", path)).status, 200);
  const farPort = Number(new URL(cluster.instances.at(-1)?.origin ?? "").port);
  assert.equal(await network.ask(path, farPort, credentials, 60), 200);
  const upload = await holdUpload(patient.far, network.address, farPort);

  await cut();
  const cutAt = performance.now();
  const deleted = await patient.near.request("DELETE", path);
  const deletedAt = performance.now();
  assert.equal(deleted.status, 202);
  t.diagnostic(`cut for ${cutMs} ms: a deletion elsewhere took ${Math.round(deletedAt - cutAt)} ms`);
  const takingOver = takeOver(world, upload, cutAt);
  // Looked at when the network is there again.
  takingOver.catch(() => {});
  const [staleMs, worksMs] = await Promise.all([
    lastServed(network, path, farPort, deletedAt, cutMs),
    untilItWorks(near, "crash/pusher0", cutAt, 3 * limitMs).then(() => performance.now() - cutAt),
  ]);
  t.diagnostic(`it served what was deleted for ${Math.round(staleMs)} ms at most`);
  t.diagnostic(`a push to what it was working on passed after ${Math.round(worksMs)} ms`);
  assert.ok(staleMs <= staleLimitMs, `stale for ${Math.round(staleMs)} ms`);
  await wait(Math.max(0, cutAt + cutMs - performance.now()));
  await network.mend();
  const mendedAt = performance.now();
  await untilItWorks(far, "recovered/far", mendedAt, 6 * limitMs);
  const backMs = performance.now() - mendedAt;
  t.diagnostic(`it worked again ${Math.round(backMs)} ms after the network did`);
  const takenOverMs = await takingOver;
  t.diagnostic(`an upload that it held went on elsewhere after ${Math.round(takenOverMs)} ms`);
  assert.ok(backMs <= limitMs, `back after ${Math.round(backMs)} ms`);
  assert.ok(worksMs <= limitMs, `blocked others for ${Math.round(worksMs)} ms`);
  assert.ok(takenOverMs <= heldLimitMs, `held an upload for ${Math.round(takenOverMs)} ms`);
  assert.equal((await patient.far.request("HEAD", path)).status, 404, "and knows what was deleted");
}

interface HeldUpload {
  readonly location: string;
  readonly bytes: Uint8Array;
  readonly digest: string;
}

/** A client in the middle of a PATCH, which then goes to another instance. */
async function holdUpload(far: RegistrySession, address: string, port: number): Promise<HeldUpload> {
  const begun = await far.request("POST", "/v2/admin/app/blobs/uploads/");
  const location = begun.headers.get("location") ?? "";
  const { bytes, digest } = randomContent(400_000);
  const socket = connect(port, address);
  socket.on("error", () => socket.destroy());
  const basic = Buffer.from(credentials).toString("base64");
  socket.write(
    `PATCH ${location} HTTP/1.1\r\nhost: x\r\nauthorization: Basic ${basic}\r\ncontent-length: ${bytes.byteLength}\r\n\r\n`,
  );
  socket.write(bytes.subarray(0, 100_000));
  await wait(300);
  socket.unref();
  return { location, bytes, digest };
}

/** The same client at the instance that is there: how long until it may go on, and finish. */
async function takeOver(
  { near, patient }: World,
  { location, bytes, digest }: HeldUpload,
  since: number,
): Promise<number> {
  for (;;) {
    const status = await patient.near.request("GET", location);
    assert.equal(status.status, 204);
    // An upload without a byte says 0-0, too.
    const last = Number(/^0-(\d+)$/.exec(status.headers.get("range") ?? "")?.[1] ?? 0);
    const offset = last === 0 ? 0 : last + 1;
    const joint = location.includes("?") ? "&" : "?";
    // It waits for the holder; on a slow machine for longer than the session does.
    const closed = await near
      .request("PUT", `${location}${joint}digest=${digest}`, {
        body: bytes.subarray(offset),
        headers: { "content-type": "application/octet-stream" },
      })
      .catch(() => undefined);
    await closed?.body?.cancel();
    if (closed?.status === 201) return performance.now() - since;
    assert.ok(performance.now() - since < 120_000, `the upload is still held: ${closed?.status}`);
    await wait(100);
  }
}

/** How long after the deletion the instance, asked from within, still gave it. */
async function lastServed(network: Namespace, path: string, port: number, deletedAt: number, cutMs: number) {
  let lastAt = deletedAt;
  while (performance.now() - deletedAt < cutMs - 1_000) {
    const askedAt = performance.now();
    const status = await network.ask(path, port, credentials, 2);
    if (status === 200) lastAt = askedAt;
    await wait(50);
  }
  return lastAt - deletedAt;
}

async function untilGone(databaseUrl: string, address: string, giveUpMs: number): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const count = await countConnections(databaseUrl, address);
    const tookMs = performance.now() - startedAt;
    if (count === 0) return tookMs;
    assert.ok(tookMs < giveUpMs, `the database still has ${count} connections of it`);
    await wait(200);
  }
}
