import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { freePorts } from "@entrepot/server/lib/testing/free-ports";
import { createBucket } from "@entrepot/server/storage/blob-store/testing/create-bucket";
import { startGcsDouble } from "@entrepot/server/storage/blob-store/testing/gcs-double";
import { missingAzurite, startAzurite } from "@entrepot/server/storage/blob-store/testing/start-azurite";
import {
  missingObjectServer,
  startObjectServer,
} from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { type Ledger, openLedger, pushUntil, verifyLedger } from "../support/ledger.ts";
import { openSession } from "../support/registry-session.ts";
import { administrator, freePort, startServer } from "../support/server-process.ts";

const program = resolve(import.meta.dirname, "../../packages/cli/bin/entrepot.mjs");
const moveLimitMs = 600_000;

/** A storage, and the file with the keys that it alone takes. */
interface Place {
  readonly name: string;
  readonly url: string;
  readonly keysFile: string | undefined;
}

test("a registry's blobs move from disk to S3, to another bucket, to Google and to Azure while it is pushed to and pulled from", {
  skip: missingObjectServer("ceph") ?? missingAzurite() ?? false,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-move-storage-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const dataDir = join(folder, "data");
  const ledger = openLedger();
  const [first, ...others] = await openPlaces(t, folder);
  assert.ok(first !== undefined);
  await running(dataDir, settingsOf(first), async (origin) => {
    const session = openSession(origin, administrator, 20_000);
    const until = untilManifests(ledger, 6);
    await pushUntil(until, session, ledger, { pusher: 0, goesOn: true });
  });
  let from = first;
  for (const to of others) {
    const settings = { ...settingsOf(to), ...previousOf(from) };
    await running(dataDir, settings, async (origin) => {
      const session = openSession(origin, administrator, 20_000);
      const isOver = new AbortController();
      const before = ledger.manifests.size;
      const pushes = pushUntil(isOver.signal, session, ledger, { pusher: 1, goesOn: true });
      let pulls = 0;
      const pulling = (async () => {
        for (; !isOver.signal.aborted; pulls++) await verifyLedger(session, snapshotOf(ledger), 8);
      })();
      const move = () => entrepot(["storage", "move", "--json"], { ENTREPOT_DATA_DIR: dataDir, ...settings });
      const startedAtMs = performance.now();
      const moved = await move();
      const tookMs = performance.now() - startedAtMs;
      isOver.abort();
      await Promise.all([pushes, pulling]);
      assert.equal(moved.code, 0, moved.stderr);
      const report = JSON.parse(moved.stdout);
      assert.ok(report.moved >= 6, moved.stdout);
      assert.deepEqual([report.damaged, report.uploadsLeft], [[], 0]);
      const again = JSON.parse((await move()).stdout);
      assert.deepEqual([again.moved, again.uploadsLeft], [0, 0]);
      t.diagnostic(
        `${from.name} to ${to.name}: ${report.moved} blobs, ${report.bytes} bytes in ${Math.round(tookMs)} ms; ${ledger.manifests.size - before} manifests were pushed and ${pulls} rounds of pulls done meanwhile`,
      );
    });
    // The new storage alone has everything.
    await running(dataDir, settingsOf(to), async (origin) => {
      await verifyLedger(openSession(origin, administrator, 20_000), ledger, Number.POSITIVE_INFINITY);
    });
    const checked = await entrepot(["verify", "--json"], { ENTREPOT_DATA_DIR: dataDir, ...settingsOf(to) });
    assert.equal(checked.code, 0, checked.stdout + checked.stderr);
    from = to;
  }
  const left = await readdir(join(dataDir, "storage", "blobs"), { recursive: true, withFileTypes: true });
  t.diagnostic(`${left.filter((entry) => entry.isFile()).length} files wait on the disk to be collected`);
});

async function openPlaces(t: TestContext, folder: string): Promise<readonly Place[]> {
  const ceph = await startObjectServer("ceph");
  t.after(() => ceph.stop());
  const google = await startGcsDouble();
  t.after(() => google.close());
  const azure = await startAzurite(await freePorts(1));
  t.after(() => azure.stop());
  const file = async (name: string, text: string) => {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  };
  const cephKeys = await file("ceph.json", JSON.stringify(ceph.keys));
  const bucket = async () => `s3://${await createBucket(ceph)}?endpoint=${ceph.origin}&pathStyle=true`;
  return [
    { name: "disk", url: `file:${join(folder, "data", "storage")}`, keysFile: undefined },
    { name: "S3", url: await bucket(), keysFile: cephKeys },
    { name: "another bucket", url: await bucket(), keysFile: cephKeys },
    {
      name: "Google",
      url: `gs://blobs/registry?endpoint=${google.origin}`,
      keysFile: await file("google.json", google.account.keyFile),
    },
    {
      name: "Azure",
      url: `azure://blobs/registry?endpoint=${azure.origin}`,
      keysFile: await file("azure.json", JSON.stringify(azure.keys)),
    },
  ];
}

type Settings = Readonly<Record<string, string>>;

function settingsOf({ url, keysFile }: Place): Settings {
  return {
    ENTREPOT_STORAGE_URL: url,
    ...(keysFile !== undefined && { ENTREPOT_STORAGE_KEYS_FILE: keysFile }),
  };
}

function previousOf({ url, keysFile }: Place): Settings {
  return {
    ENTREPOT_STORAGE_PREVIOUS_URL: url,
    ...(keysFile !== undefined && { ENTREPOT_STORAGE_PREVIOUS_KEYS_FILE: keysFile }),
  };
}

async function running(
  dataDir: string,
  settings: Settings,
  work: (origin: string) => Promise<void>,
): Promise<void> {
  const server = await startServer({ dataDir, port: await freePort(), settings });
  try {
    await work(server.origin);
  } finally {
    await server.stop("SIGTERM");
  }
}

/** Aborted once so many manifests are in. */
function untilManifests(ledger: Ledger, count: number): AbortSignal {
  const enough = new AbortController();
  const timer = setInterval(() => {
    if (ledger.manifests.size < count) return;
    clearInterval(timer);
    enough.abort();
  }, 20);
  return enough.signal;
}

/** What was acknowledged so far, without tags, which change while they are looked at. */
function snapshotOf({ blobs, manifests }: Ledger): Ledger {
  return { blobs: new Map(blobs), manifests: new Map(manifests), tags: new Map(), unanswered: new Map() };
}

async function entrepot(args: readonly string[], settings: Settings) {
  const child = spawn(process.execPath, ["--conditions=source", program, ...args], {
    env: { PATH: process.env["PATH"], ...settings },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: moveLimitMs,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  await once(child, "close");
  return { code: child.exitCode, stdout, stderr };
}
