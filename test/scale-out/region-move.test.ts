import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { createBucket } from "@entrepot/server/storage/blob-store/testing/create-bucket";
import { listBucket } from "@entrepot/server/storage/blob-store/testing/list-bucket";
import {
  missingObjectServer,
  type ObjectServer,
  startObjectServer,
} from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { startPostgresCluster } from "@entrepot/server/storage/database/testing/postgres-cluster";
import {
  type Content,
  openSession,
  type RegistrySession,
  randomContent,
} from "../support/registry-session.ts";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";
import { json, pushImage, regionOf, since, until } from "./region-client.ts";

const run = promisify(execFile);
const program = resolve(import.meta.dirname, "../../packages/cli/bin/entrepot.mjs");
const skip = missingObjectServer("ceph") ?? false;

type Name = "eu" | "us" | "next";

/** One machine, whose instance is restarted with other settings. */
interface Machine {
  readonly session: RegistrySession;
  readonly restart: (own: Name, regions: readonly Name[]) => Promise<void>;
}

interface World {
  readonly objects: ObjectServer;
  readonly buckets: Readonly<Record<Name, string>>;
  readonly machines: readonly [Machine, Machine];
  /** The command, as its user has it, or as the server's machine has it with those regions. */
  readonly command: (args: readonly string[], regions?: readonly Name[]) => Promise<string>;
}

/** The steps are those of docs/guide/regions.md, "Move from one region to another". */
test("from region to region while pushes and pulls run, until nothing is left in the old one", {
  skip,
}, async (t: TestContext) => {
  const { objects, buckets, machines, command } = await begin(t);
  const [first, second] = machines;
  const image = await pushImage(first.session, "acme/app", 12);
  await pushImage(second.session, "acme/other", 3);
  const traffic = startTraffic(machines);
  t.after(() => traffic.stop());

  // 1. The new region is added, one instance after the other, and filled.
  let startedAt = performance.now();
  await first.restart("eu", ["eu", "us", "next"]);
  await second.restart("us", ["eu", "us", "next"]);
  // While pushes go on something always waits: what counts is that nothing waits from before.
  const markMs = Date.now();
  await until("the new region is filled", async () => {
    const { blobs, missing } = await regionOf(first.session, "next");
    return blobs >= 17 && (missing.oldestSinceMs ?? markMs) >= markMs;
  });
  t.diagnostic(`added and filled in ${since(startedAt)} ms`);
  await assert.rejects(command(["regions", "rm", "eu"]), /is configured/);

  // 2. The old one is retired; an upload that is under way there ends well.
  const late = randomContent(200_000);
  const address = await beginUpload(first.session, "acme/app", late);
  startedAt = performance.now();
  assert.match(await command(["regions", "retire", "eu"]), /being emptied/);
  assert.match(await command(["regions", "ls"]), /eu +answers.*being emptied/);
  const since2 = traffic.pushes();
  assert.equal(await endUpload(first.session, address, late), 201);
  let left: unknown;
  await until("nothing is left in the old region", async () => {
    const { blobs, missing, onlyHereBlobs, uploads, surplusBlobs, owedDeletions } = await regionOf(
      second.session,
      "eu",
    );
    left = { blobs, missing, onlyHereBlobs, uploads, surplusBlobs, owedDeletions };
    return blobs + missing.blobs + onlyHereBlobs + uploads + surplusBlobs + owedDeletions === 0;
  }).catch((error: unknown) => {
    t.diagnostic(JSON.stringify(left));
    throw error;
  });
  t.diagnostic(`emptied in ${since(startedAt)} ms, ${traffic.pushes() - since2} pushes meanwhile`);
  await until("its bucket is empty", async () => (await listBucket(objects, buckets.eu)).length === 0);

  // 3. It leaves the settings, one instance after the other, and is forgotten.
  await first.restart("next", ["next", "us"]);
  await second.restart("us", ["next", "us"]);
  assert.match(await command(["regions", "rm", "eu"]), /forgotten/);
  const { regions } = await json(first.session, "/api/v1/regions");
  // as: the reply's shape
  assert.deepEqual(
    (regions as { name: string }[]).map(({ name }) => name),
    ["next", "us"],
  );
  await wait(1_000);
  const { pushes, pulls, retries } = await traffic.stop();
  t.diagnostic(`${pushes} pushes and ${pulls} pulls; ${retries} went to the other instance at a restart`);
  assert.ok(pushes > 10 && pulls > 20, "there was traffic");
  for (const blob of [...image.layers, late, ...traffic.acknowledged()]) {
    for (const { session } of machines) await assertHas(session, blob);
  }
  const report = JSON.parse(await command(["verify", "--json"], ["next", "us"])) as {
    problems: number;
    unseenRegions: readonly unknown[];
  };
  assert.deepEqual([report.problems, report.unseenRegions], [0, []]);
  assert.deepEqual(await listBucket(objects, buckets.eu), []);
});

async function begin(t: TestContext): Promise<World> {
  const postgres = await startPostgresCluster();
  t.after(() => postgres.stop());
  const objects = await startObjectServer("ceph");
  t.after(() => objects.stop());
  const folder = await mkdtemp(join(tmpdir(), "entrepot-region-move-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const buckets = {
    eu: await createBucket(objects),
    us: await createBucket(objects),
    next: await createBucket(objects),
  };
  const place = (name: Name) =>
    `${name}=s3://${buckets[name]}/registry?endpoint=${encodeURIComponent(objects.origin)}&pathStyle=true`;
  const settingsOf = (own: Name, regions: readonly Name[]) => ({
    ENTREPOT_DATABASE_URL: postgres.url,
    ENTREPOT_REGION: own,
    ENTREPOT_STORAGE_REGIONS: regions.map(place).join(" "),
    ENTREPOT_STORAGE_ACCESS_KEY: objects.keys.accessKey,
    ENTREPOT_STORAGE_SECRET_KEY: objects.keys.secretKey,
    ENTREPOT_SECRET_KEY: "5c".repeat(32),
    ENTREPOT_STORAGE_SETTLE_SECONDS: "2",
    // Long enough that what is pushed without a manifest stays until it was looked for.
    ENTREPOT_GC_GRACE_SECONDS: "3600",
  });
  const machine = async (name: string, own: Name): Promise<Machine & { readonly origin: string }> => {
    const dataDir = join(folder, name);
    await mkdir(dataDir);
    const port = await freePort();
    let server: ServerProcess | undefined;
    const restart = async (region: Name, regions: readonly Name[]) => {
      await server?.stop("SIGTERM");
      server = await startServer({ dataDir, port, settings: settingsOf(region, regions) });
    };
    t.after(() => server?.stop("SIGKILL"));
    await restart(own, ["eu", "us"]);
    const origin = `http://127.0.0.1:${port}`;
    return { origin, session: openSession(origin, administrator, 60_000), restart };
  };
  const machines = [await machine("first", "eu"), await machine("second", "us")] as const;
  const auth = Buffer.from(`${administrator.username}:${administrator.password}`).toString("base64");
  const host = new URL(machines[1].origin).host;
  await writeFile(join(folder, "config.json"), JSON.stringify({ auths: { [host]: { auth } } }));
  const command: World["command"] = async (args, regions) => {
    const env = {
      PATH: process.env["PATH"] ?? "",
      DOCKER_CONFIG: folder,
      ENTREPOT_CLI_REGISTRY: host,
      ...(regions !== undefined && {
        ...settingsOf("us", regions),
        ENTREPOT_DATA_DIR: join(folder, "second"),
      }),
    };
    const { stdout } = await run(process.execPath, ["--conditions=source", program, ...args], { env });
    return stdout;
  };
  return { objects, buckets, machines, command };
}

/** Pushes and pulls all the time, as clients behind a load balancer: what one instance does not take the other does. */
function startTraffic(machines: readonly Machine[]) {
  const acknowledged: Content[] = [];
  const counts = { pushes: 0, pulls: 0, retries: 0 };
  const ended = new AbortController();

  /** Through one instance, else through another; for a minute, then it is a failure. */
  async function somewhere(work: (session: RegistrySession) => Promise<boolean>): Promise<void> {
    const end = performance.now() + 60_000;
    for (let turn = counts.pushes + counts.pulls; ; turn += 1) {
      const machine = machines[turn % machines.length];
      assert.ok(machine !== undefined);
      const isDone = await work(machine.session).catch((error: unknown) => {
        if (error instanceof assert.AssertionError) throw error;
        return false;
      });
      if (isDone) return;
      counts.retries += 1;
      assert.ok(performance.now() < end, "no instance has served it for a minute");
      await wait(100);
    }
  }
  async function push(): Promise<void> {
    while (!ended.signal.aborted) {
      const blob = randomContent(120_000);
      // In one request: an upload of several that a restart breaks off waits there for its expiry, which is an hour at least.
      await somewhere(async (session) => (await session.pushBlob("acme/app", blob, "post")) === 201);
      acknowledged.push(blob);
      counts.pushes += 1;
      await wait(150);
    }
  }
  async function pull(): Promise<void> {
    while (!ended.signal.aborted) {
      const blob = acknowledged[Math.floor(Math.random() * acknowledged.length)];
      if (blob !== undefined) {
        await somewhere((session) => reads(session, blob));
        counts.pulls += 1;
      }
      await wait(50);
    }
  }
  const running = Promise.all([push(), pull(), pull()]);
  // Told by `stop`.
  running.catch(() => ended.abort());
  return {
    acknowledged: () => acknowledged,
    pushes: () => counts.pushes,
    async stop() {
      ended.abort();
      await running;
      return counts;
    },
  };
}

/** False = this instance does not serve it just now; never "unknown", and never other bytes. */
async function reads(session: RegistrySession, blob: Content): Promise<boolean> {
  const response = await session.request("GET", `/v2/acme/app/blobs/${blob.digest}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.notEqual(response.status, 404, "what was acknowledged is known");
  if (response.status !== 200) return false;
  assert.deepEqual(bytes, Buffer.from(blob.bytes));
  return true;
}

async function assertHas(session: RegistrySession, blob: Content): Promise<void> {
  assert.ok(await reads(session, blob), blob.digest);
}

async function beginUpload(session: RegistrySession, repository: string, blob: Content): Promise<string> {
  const begun = await session.request("POST", `/v2/${repository}/blobs/uploads/`);
  assert.equal(begun.status, 202);
  const address = begun.headers.get("location") ?? "";
  const sent = await session.request("PATCH", address, { body: blob.bytes.subarray(0, 100_000) });
  assert.equal(sent.status, 202);
  return sent.headers.get("location") ?? address;
}

async function endUpload(session: RegistrySession, address: string, blob: Content): Promise<number> {
  const joint = address.includes("?") ? "&" : "?";
  const url = `${address}${joint}digest=${encodeURIComponent(blob.digest)}`;
  const ended = await session.request("PUT", url, { body: blob.bytes.subarray(100_000) });
  return ended.status;
}
