import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createBucket } from "@entrepot/server/storage/blob-store/testing/create-bucket";
import {
  missingObjectServer,
  startObjectServer,
} from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { takeBenchOptions } from "../bench-options.ts";
import { startDurablePostgres } from "../durable-postgres.ts";
import type { Job } from "../load/job.ts";
import { runJob } from "../load/run-job.ts";
import { cpuSeconds, processTree } from "../process-usage.ts";
import { median } from "../report.ts";
import { blobPath, makeBlobs, repository, type SeededBlob, scope, seedContent, tag } from "../seed.ts";
import { type Balancer, startBalancer } from "../servers/balancer.ts";
import type { BenchServer } from "../servers/bench-server.ts";
import { startEntrepot } from "../servers/entrepot.ts";

/*
 * npm run bench:scale-out [-- --store S3 --rounds 3 --seconds 4]
 *
 * One, two and four instances on PostgreSQL and a shared folder or an S3 server (radosgw), behind nginx without stickiness. All instances are up all the time; each
 * round asks the first one, the first two and all four, in turn. The machine's cores are shared by clients, nginx, instances, database and store: what
 * the sum can be is bounded by them, so the CPU of the instances for a request is what tells how well it scales.
 */

const { rounds, seconds, store } = takeBenchOptions({ rounds: 3, seconds: 3 }, ["store"]);
const counts = [1, 2, 4] as const;

await main();

async function main(): Promise<void> {
  console.log(`## Requests a second with one, two and four instances

${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, Node.js ${process.versions.node}; PostgreSQL, nginx in front, ${rounds} rounds in which one, two and four instances are asked in turn, ${seconds} s each. Clients, nginx, instances,
database and store share the ${cpus().length} cores: **the sum is bounded by them, not by the number of instances**. The ratio is the median, over the rounds, of the sum ÷ that of one instance in the same
round; "CPU" is what the instances take for one request: where it does not grow, nothing is done more often because there are more of them.

| store | request | instances | requests a second | each | ÷ 1 instance | p99 ms | CPU ms a request |
|---|---|---|---|---|---|---|---|`);
  if (store !== "S3") await measureStore("folder");
  if (store !== "folder" && missingObjectServer("ceph") === undefined) await measureStore("S3");
}

async function measureStore(store: "folder" | "S3"): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-bench-scale-out-"));
  const cluster = await startDurablePostgres();
  const objects = store === "S3" ? await startObjectServer("ceph") : undefined;
  const servers: BenchServer[] = [];
  let balancer: Balancer | undefined;
  try {
    const storage: Record<string, string> =
      objects === undefined
        ? { ENTREPOT_STORAGE_URL: `file:${join(folder, "shared")}` }
        : {
            ENTREPOT_STORAGE_URL: `s3://${await createBucket(objects)}/registry?endpoint=${objects.origin}&pathStyle=true`,
            ENTREPOT_STORAGE_ACCESS_KEY: objects.keys.accessKey,
            ENTREPOT_STORAGE_SECRET_KEY: objects.keys.secretKey,
          };
    for (let index = 0; index < Math.max(...counts); index++) {
      const server = await startEntrepot(`instance ${index}`, join(folder, `instance-${index}`), {
        ...storage,
        ENTREPOT_DATABASE_URL: cluster.url,
        ENTREPOT_SECRET_KEY: "5c".repeat(32),
        ENTREPOT_TRUST_PROXY: "true",
      });
      servers.push(server);
    }
    const ports = servers.map(({ port }) => port);
    balancer = await startBalancer(join(folder, "nginx"), ports, counts);
    const [first] = servers;
    const [small, blob] = makeBlobs([
      ["1 KB", 1_024],
      ["1 MB", 1_048_576],
    ]);
    if (first === undefined || small === undefined || blob === undefined) throw new Error("no servers");
    await seedContent(first, [small, blob]);
    const headers = await first.headers(scope);
    for (const workload of workloads(first, { small, blob }, headers)) {
      await measure(store, workload, servers, balancer);
    }
  } finally {
    await balancer?.stop();
    for (const server of servers) await server.stop();
    await objects?.stop();
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Workload {
  readonly name: string;
  /** Requests of the trial that tells how many fill the time. */
  readonly trial: number;
  job(port: number, requests: number): Job;
}

function workloads(
  server: BenchServer,
  content: { readonly small: SeededBlob; readonly blob: SeededBlob },
  headers: Readonly<Record<string, string>>,
): readonly Workload[] {
  const accept = { ...headers, accept: "application/vnd.docker.distribution.manifest.v2+json" };
  const push = { headers, repository, connections: 8 };
  return [
    {
      name: "manifest by tag, 16 clients",
      trial: 1_000,
      job: (port, requests) => ({
        kind: "read",
        method: "GET",
        port,
        requests,
        paths: [`/v2/${repository}/manifests/${tag}`],
        headers: accept,
        connections: 16,
      }),
    },
    {
      name: "blob of 1 MB, 8 clients",
      trial: 60,
      job: (port, requests) => ({
        kind: "discard",
        port,
        requests,
        paths: [blobPath(server, content.blob.digest)],
        headers,
        connections: 8,
      }),
    },
    {
      name: "push of a manifest, 8 clients",
      trial: 60,
      job: (port, requests) => ({
        ...push,
        kind: "manifest",
        port,
        requests,
        config: { digest: digestOf(content.small.bytes), size: content.small.sizeBytes },
      }),
    },
    {
      name: "push of a blob of 1 MB, 8 clients",
      trial: 30,
      job: (port, requests) => ({
        ...push,
        kind: "push",
        flow: "patch",
        port,
        requests,
        sizeBytes: 1_048_576,
      }),
    },
  ];
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

interface Sample {
  readonly rate: number;
  readonly p99Ms: number;
  readonly cpuMs: number;
}

async function measure(
  store: string,
  workload: Workload,
  servers: readonly BenchServer[],
  balancer: Balancer,
): Promise<void> {
  const trial = await runJob(workload.job(balancer.port(4), workload.trial));
  const requests = Math.max(workload.trial, Math.round((trial.requests / trial.seconds) * seconds));
  const samples = new Map<number, Sample[]>(counts.map((count) => [count, []]));
  for (let round = 0; round < rounds; round++) {
    for (const count of round % 2 === 0 ? counts : counts.toReversed()) {
      const pids = servers.slice(0, count).flatMap(({ pid }) => processTree(pid));
      const before = cpuSeconds(pids);
      const result = await runJob(workload.job(balancer.port(count), requests));
      samples.get(count)?.push({
        rate: result.requests / result.seconds,
        p99Ms: result.p99Ms,
        cpuMs: ((cpuSeconds(pids) - before) * 1_000) / result.requests,
      });
    }
  }
  const alone = samples.get(1) ?? [];
  for (const count of counts) {
    const own = samples.get(count) ?? [];
    const of = (field: (sample: Sample) => number) => median(own.map(field));
    const rate = of((sample) => sample.rate);
    const ratio = median(own.map((sample, index) => sample.rate / (alone[index]?.rate ?? Number.NaN)));
    const cells = [
      store,
      workload.name,
      count,
      Math.round(rate),
      Math.round(rate / count),
      `${ratio.toFixed(2)}×`,
      of((sample) => sample.p99Ms).toFixed(1),
      of((sample) => sample.cpuMs).toFixed(2),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}
