import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { silentLog } from "@entrepot/server/lib/log";
import {
  countFloodLeft,
  type FloodLeft,
  floodedLocation,
  floodWithGarbage,
} from "@entrepot/server/lifecycle/garbage-collection/testing/garbage-flood-store";
import { createBucket } from "@entrepot/server/storage/blob-store/testing/create-bucket";
import {
  missingObjectServer,
  startObjectServer,
} from "@entrepot/server/storage/blob-store/testing/start-object-server";
import type { Database } from "@entrepot/server/storage/database/database";
import { openDatabase } from "@entrepot/server/storage/database/open-database";
import { takeBenchOptions } from "../bench-options.ts";
import { startDurablePostgres } from "../durable-postgres.ts";
import type { JobResult } from "../load/job.ts";
import { runJob } from "../load/run-job.ts";
import { median } from "../report.ts";
import { blobPath, makeBlobs, repository, type SeededBlob, scope, seedContent, tag } from "../seed.ts";
import type { BenchServer } from "../servers/bench-server.ts";
import { startEntrepot } from "../servers/entrepot.ts";

/*
 * npm run bench:gc [-- --blobs 1000000 --rounds 4 --seconds 5 --only SQLite]
 *
 * Pushes and pulls, with and without garbage collection running, in alternating rounds; and how much is collected a second meanwhile.
 *
 * Real: the rows (blobs, each linked in one of a hundred repositories), the collection with the default settings but for the grace, the requests. The files of the
 * first blobs are real, small and hard links of one another, and more than a run collects; the rest has rows only. The object
 * store gets real objects of none: its removals are asked for all the same, as one index object and its answer.
 */

const { blobs, rounds, seconds, only } = takeBenchOptions({ blobs: 1_000_000, rounds: 4, seconds: 5 }, [
  "only",
]);
const files = Math.min(blobs, 100_000);
/** On the object store, whose objects are not real: there are no more than a run collects. */
const fewer = Math.min(blobs, 100_000);
const sizeBytes = 1_024;

/** The collector only when it is asked for, and ten seconds of grace: bytes go in the run in which their rows went. */
const settings = { ENTREPOT_GC_INTERVAL_SECONDS: "0", ENTREPOT_GC_GRACE_SECONDS: "10" };

await main();

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-bench-gc-"));
  try {
    console.log(`## Foreground requests while garbage is collected

${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, Node.js ${process.versions.node}; ${blobs.toLocaleString("en")} unreachable blobs (rows; ${files.toLocaleString("en")} real files; on S3 ${fewer.toLocaleString("en")} rows), ${rounds} rounds of ${seconds} s each without
and with collection. Ratios are medians of the rounds; goal: 1.5× at most. Two cores run clients, servers and database.

| engine and store | request | p50 ms without, with | ratio | p99 ms without, with | ratio | requests a second without, with |
|---|---|---|---|---|---|---|`);
    const notes: string[] = [];
    if (wanted("SQLite")) notes.push(await measureSqlite(join(folder, "sqlite")));
    if (wanted("PostgreSQL")) notes.push(await measurePostgres(join(folder, "postgres"), "files"));
    if (wanted("S3") && missingObjectServer("ceph") === undefined) {
      notes.push(await measurePostgres(join(folder, "s3"), "S3"));
    }
    console.log(`\nCollected while requests ran:\n\n${notes.map((note) => `- ${note}`).join("\n")}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function wanted(name: string): boolean {
  return only === undefined || name.includes(only);
}

async function measureSqlite(folder: string): Promise<string> {
  const start = () => startEntrepot("SQLite, files", folder, settings);
  const url = `sqlite:${join(folder, "entrepot.db")}`;
  await (await start()).stop(); // makes the tables
  const database = await open(url);
  await seed(database, join(folder, "blobs"), blobs, files);
  await database.close();
  const server = await start();
  const watching = await open(url);
  try {
    return await measure("SQLite, files, 1 process", [server], watching);
  } finally {
    await watching.close();
    await server.stop();
  }
}

async function measurePostgres(folder: string, store: "files" | "S3"): Promise<string> {
  const cluster = await startDurablePostgres();
  const objects = store === "S3" ? await startObjectServer("ceph") : undefined;
  const servers: BenchServer[] = [];
  const shared = join(folder, "shared");
  try {
    const database = await open(cluster.url);
    const storage: Record<string, string> =
      objects === undefined
        ? { ENTREPOT_STORAGE_URL: `file:${shared}` }
        : {
            ENTREPOT_STORAGE_URL: `s3://${await createBucket(objects)}/registry?endpoint=${objects.origin}&pathStyle=true`,
            ENTREPOT_STORAGE_ACCESS_KEY: objects.keys.accessKey,
            ENTREPOT_STORAGE_SECRET_KEY: objects.keys.secretKey,
          };
    for (const index of [0, 1]) {
      servers.push(
        await startEntrepot(`instance ${index}`, join(folder, `instance-${index}`), {
          ...settings,
          ...storage,
          ENTREPOT_DATABASE_URL: cluster.url,
          ENTREPOT_SECRET_KEY: "5c".repeat(32),
        }),
      );
    }
    await (store === "files"
      ? seed(database, join(shared, "blobs"), blobs, files)
      : seed(database, "", fewer, 0));
    try {
      return await measure(`PostgreSQL, ${store}, 2 instances`, servers, database);
    } finally {
      await database.close();
    }
  } finally {
    for (const server of servers) await server.stop();
    await objects?.stop();
    await cluster.stop();
  }
}

function open(url: string): Promise<Database> {
  return openDatabase({ url, poolSize: 2, acquireTimeoutMs: 60_000, log: silentLog });
}

async function seed(database: Database, folder: string, rows: number, withFiles: number): Promise<void> {
  await floodWithGarbage(database, { count: rows, repositories: 100, sizeBytes });
  let original = "";
  for (let n = 0; n < withFiles; n++) {
    const path = join(folder, floodedLocation(n));
    if (n < 256 * 16) mkdirSync(dirname(path), { recursive: true });
    // A file may have some ten thousand names.
    if (n % 30_000 === 0) {
      original = path;
      writeFileSync(path, Buffer.alloc(sizeBytes, "x"));
    } else {
      try {
        linkSync(original, path);
      } catch {
        mkdirSync(dirname(path), { recursive: true });
        linkSync(original, path);
      }
    }
  }
}

interface Round {
  readonly pull: JobResult;
  readonly push: JobResult;
}

async function measure(name: string, servers: readonly BenchServer[], watching: Database): Promise<string> {
  const [first, second = first] = servers;
  if (first === undefined || second === undefined) throw new Error("no servers");
  const [content] = makeBlobs([["100 KB", 102_400]]);
  if (content === undefined) throw new Error("no content");
  await seedContent(first, [content]);
  const at = { pulls: first, pushes: second, content };
  // The first round tells how many requests fill the time.
  let counts = { pull: 400, push: 20 };
  const fill = (job: JobResult) => Math.max(20, Math.round((job.requests / job.seconds) * seconds));
  const trial = await foreground(at, counts);
  counts = { pull: fill(trial.pull), push: fill(trial.push) };
  const without: Round[] = [];
  const during: Round[] = [];
  const gone = { links: 0, blobs: 0, bytes: 0 };
  let collectedSeconds = 0;
  for (let round = 0; round < rounds; round++) {
    const quiet = async () => void without.push(await foreground(at, counts));
    const busy = async () => {
      const before = await countFloodLeft(watching.read);
      const startedAtMs = performance.now();
      const end = await beginCollecting(first);
      during.push(await foreground(at, counts));
      await end();
      collectedSeconds += (performance.now() - startedAtMs) / 1_000;
      addGone(gone, before, await countFloodLeft(watching.read));
    };
    for (const run of round % 2 === 0 ? [quiet, busy] : [busy, quiet]) await run();
  }
  for (const kind of ["pull", "push"] as const) console.log(row(name, kind, without, during));
  const rate = (count: number) => Math.round(count / collectedSeconds).toLocaleString("en");
  return `${name}: ${rate(gone.links)} links, ${rate(gone.blobs)} blobs and the bytes of ${rate(gone.bytes)} blobs a second; ${gone.blobs.toLocaleString("en")} blobs in ${Math.round(collectedSeconds)} s`;
}

/** Bytes that wait are made by blobs that go: those that went are the difference. */
function addGone(
  gone: { links: number; blobs: number; bytes: number },
  before: FloodLeft,
  after: FloodLeft,
): void {
  gone.links += before.links - after.links;
  gone.blobs += before.blobs - after.blobs;
  gone.bytes += before.bytes - after.bytes + (before.blobs - after.blobs);
}

/** Pulls from one instance and pushes to the other, at the same time. */
async function foreground(
  at: { readonly pulls: BenchServer; readonly pushes: BenchServer; readonly content: SeededBlob },
  counts: { readonly pull: number; readonly push: number },
): Promise<Round> {
  const { pulls, pushes, content } = at;
  const [pull, push] = await Promise.all([
    runJob({
      kind: "read",
      method: "GET",
      port: pulls.port,
      paths: [`/v2/${repository}/manifests/${tag}`, blobPath(pulls, content.digest)],
      headers: { ...(await pulls.headers(scope)), accept: "*/*" },
      connections: 4,
      requests: counts.pull,
    }),
    runJob({
      kind: "push",
      flow: "patch",
      port: pushes.port,
      repository,
      headers: await pushes.headers(scope),
      connections: 2,
      requests: counts.push,
      sizeBytes: 102_400,
    }),
  ]);
  return { pull, push };
}

/** Has a pass run; what is returned cancels it and waits until it has stopped. */
async function beginCollecting(server: BenchServer): Promise<() => Promise<void>> {
  const basic = Buffer.from("admin:bench-bench-bench").toString("base64");
  const headers = { authorization: `Basic ${basic}` };
  const origin = `http://127.0.0.1:${server.port}/api/v1`;
  const json = { ...headers, "content-type": "application/json" };
  const run = fetch(`${origin}/garbage-collection/runs`, {
    method: "POST",
    headers: json,
    body: JSON.stringify({ dryRun: false }),
  }).then(async (answer) => {
    const text = await answer.text();
    // 503 when it is cancelled.
    if (answer.status !== 200 && answer.status !== 503) throw new Error(text);
  });
  const find = async (): Promise<{ readonly id: number | string } | undefined> => {
    const answer = await fetch(`${origin}/jobs?kind=garbage-collection&state=running`, { headers });
    const { jobs } = (await answer.json()) as { readonly jobs: readonly { readonly id: number | string }[] }; // as: our own API
    return jobs[0];
  };
  let job = await find();
  for (let tries = 0; job === undefined && tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    job = await find();
  }
  if (job === undefined) throw new Error("no pass began");
  const { id } = job;
  return async () => {
    const answer = await fetch(`${origin}/jobs/${id}/cancellation`, { method: "POST", headers });
    if (!answer.ok)
      throw new Error(`the pass ended by itself: there is too little garbage (${answer.status})`);
    await answer.arrayBuffer();
    await run;
  };
}

function row(name: string, kind: keyof Round, without: readonly Round[], during: readonly Round[]): string {
  const of = (rows: readonly Round[], field: (job: JobResult) => number) =>
    rows.map((each) => field(each[kind]));
  const pair = (field: (job: JobResult) => number, digits: number) => {
    const [a, b] = [of(without, field), of(during, field)];
    const ratio = median(a.map((value, index) => (b[index] ?? Number.NaN) / value));
    return {
      text: `${median(a).toFixed(digits)}, ${median(b).toFixed(digits)}`,
      ratio: `${ratio.toFixed(2)}×`,
    };
  };
  const p50 = pair((job) => job.p50Ms, 1);
  const p99 = pair((job) => job.p99Ms, 1);
  const rate = pair((job) => job.requests / job.seconds, 0);
  const request = kind === "pull" ? "manifest by tag, blob of 100 KB" : "push of 100 KB";
  return `| ${name} | ${request} | ${p50.text} | ${p50.ratio} | ${p99.text} | ${p99.ratio} | ${rate.text} |`;
}
