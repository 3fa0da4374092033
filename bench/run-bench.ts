import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { measureGrowth } from "./growth/measure-growth.ts";
import { runJob } from "./load/run-job.ts";
import { cpuSeconds, peakMemoryMb, processTree, resetPeakMemory, residentMemoryMb } from "./process-usage.ts";
import { formatRows, type Row, type Sample } from "./report.ts";
import { makeBlobs, seedContent, seedListings } from "./seed.ts";
import type { BenchServer } from "./servers/bench-server.ts";
import { startEntrepot } from "./servers/entrepot.ts";
import {
  attachRegistry,
  ensurePackages,
  hasProgram,
  startDockerRegistry,
  startNginx,
  startZot,
} from "./servers/peers.ts";
import { type Workload, workloads } from "./workloads.ts";

const usage = `npm run bench -- [--quick] [--only TEXT] [--rounds N] [--registry NAME=URL]… [--workers N, 1 = without] [--no-growth] [--out FILE]

Measures Entrepôt beside docker-registry and nginx (installed when missing), and beside zot and distribution's registry when they
are on the PATH. Every round runs each server once, in reversed order on odd rounds; ratios are taken within a round.
`;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
    registry: { type: "string", multiple: true, default: [] },
    workers: { type: "string", default: String(Math.min(2, cpus().length)) },
    "no-growth": { type: "boolean", default: false },
    out: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** How often each row of reads is run before the clock starts. */
const warmUpTimes = 3;
/** In it a server that has just started does what it does by itself. */
const idleMs = 5_000;

if (values.help) process.stdout.write(usage);
else await main();

async function main(): Promise<void> {
  ensurePackages(["docker-registry", "nginx"]);
  const results = resolve(import.meta.dirname, "results");
  mkdirSync(results, { recursive: true });
  const folder = mkdtempSync(join(results, "run-"));
  const servers: BenchServer[] = [];
  const started = new Date();
  try {
    await startAll(folder, servers);
    await wait(idleMs);
    const idleMb = new Map(servers.map((server) => [server.name, memoryMb(server)]));
    const rows = await measure(servers);
    const idle = servers.map(
      (server) =>
        `| ${server.name} | ${Math.round(server.startMs)} | ${idleMb.get(server.name)} | ${memoryMb(server)} |`,
    );
    for (const server of servers) await server.stop();
    const growth = values["no-growth"] ? "" : await measureGrowth(join(folder, "growth"), values.quick);
    const report = format(started, formatRows(rows), idle, growth);
    console.log(report);
    if (values.out !== undefined) writeFileSync(values.out, report);
  } finally {
    for (const server of servers) await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function memoryMb(server: BenchServer): string {
  return residentMemoryMb(processTree(server.pid)).toFixed(0);
}

async function startAll(folder: string, servers: BenchServer[]): Promise<void> {
  servers.push(await startEntrepot("entrepot pooled", join(folder, "pooled"), { ENTREPOT_SENDFILE: "off" }));
  servers.push(
    await startEntrepot("entrepot sendfile", join(folder, "sendfile"), { ENTREPOT_SENDFILE: "auto" }),
  );
  if (Number(values.workers) > 1) {
    const settings = { ENTREPOT_WORKERS: values.workers };
    servers.push(
      await startEntrepot(`entrepot ${values.workers} workers`, join(folder, "workers"), settings),
    );
  }
  servers.push(await startDockerRegistry(join(folder, "docker-registry")));
  servers.push(await startNginx(join(folder, "nginx")));
  if (hasProgram("zot")) servers.push(await startZot(join(folder, "zot")));
  if (hasProgram("registry")) servers.push(await startDockerRegistry(join(folder, "registry"), "registry"));
  for (const entry of values.registry) {
    const [name = "", address = ""] = entry.split(/=(.*)/s);
    servers.push(attachRegistry(name, address));
  }
}

async function measure(servers: readonly BenchServer[]): Promise<readonly Row[]> {
  const { only } = values;
  const needsLarge = only === undefined || "GET 100 MB, GET 1 GB".includes(only) || only.startsWith("GET 1");
  const blobs = makeBlobs([
    ["1 KB", 1_024],
    ["1 MB", 1_048_576],
    ["100 MB", needsLarge ? 104_857_600 : 100_000],
    ["1 GB", needsLarge ? 1_073_741_824 : 100_001],
  ]);
  const manifestDigests = new Map<string, string>();
  for (const server of servers) manifestDigests.set(server.name, await seedContent(server, blobs));
  const chosen = workloads({ blobs, manifestDigests }, values.quick).filter(
    (workload) => only === undefined || workload.name.includes(only),
  );
  if (chosen.some((workload) => workload.needs === "listings")) {
    for (const server of servers) if (server.isRegistry && !hasWorkers(server)) await seedListings(server);
    // Connections that were closed meanwhile are told of in it, before they are used again.
    await wait(1_000);
  }
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 5));
  const rows: Row[] = [];
  for (const workload of chosen) {
    const able = servers.filter((server) => takesPart(server, workload));
    const samples: Sample[] = [];
    for (const server of able) await warmUp(workload, server);
    for (let round = 0; round < rounds; round++) {
      for (const server of round % 2 === 0 ? able : able.toReversed()) {
        samples.push(await sample(workload, server, round));
      }
    }
    rows.push({ workload, samples });
    console.error(formatRows([{ workload, samples }]).split("\n").slice(2).join("\n"));
  }
  return rows;
}

/** Several workers are measured where they are for: where one process is what limits. */
function takesPart(server: BenchServer, workload: Workload): boolean {
  if (hasWorkers(server)) return workload.needs === "registry";
  return server.isRegistry || workload.needs === "files";
}

function hasWorkers(server: BenchServer): boolean {
  return server.name.endsWith(" workers");
}

/**
 * What is asked for often is compiled after some thousands of requests, and read from the page cache: a server that has run for a minute is what is measured.
 * Everyone gets the same. Pushes are not warmed up: they would fill the disk, and waiting for it is what they cost.
 */
async function warmUp(workload: Workload, server: BenchServer): Promise<void> {
  const job = await workload.job(server);
  if (job.kind !== "read" && job.kind !== "discard") return;
  for (let time = 0; time < warmUpTimes; time++) await runJob(job);
}

async function sample(workload: Workload, server: BenchServer, round: number): Promise<Sample> {
  const job = await workload.job(server);
  const pids = server.pid === 0 ? [] : processTree(server.pid);
  resetPeakMemory(pids);
  const before = cpuSeconds(pids);
  const result = await runJob(job);
  return {
    server: server.name,
    round,
    result,
    cpuSeconds: cpuSeconds(pids) - before,
    peakMb: peakMemoryMb(pids),
  };
}

function format(started: Date, table: string, idle: readonly string[], growth: string): string {
  const model = /model name\s*: (.*)/.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown";
  return `# Benchmark

<!-- Written by \`npm run bench -- --out docs/benchmark.md\`. -->

${started.toISOString().slice(0, 10)}, ${cpus().length} × ${model}, ${Math.round(totalmem() / 1e9)} GB, Linux ${release()}, Node ${process.version}.
Client and servers share the machine. Every round runs each server once, in reversed order on odd rounds; a ratio is the median over
the rounds of server ÷ other *in the same round*; less than about 20 % is a tie. Entrepôt runs with authentication (a bearer token), the others
without. Rows of reads begin warm: everyone has answered them three times over. CPU is user and system time of the server's processes for a gigabyte or a request. \`bench/README.md\` says how it is measured.

${table}

## Start and idle

| server | start to ready, ms | resident MB, idle after the start | resident MB after the run |
|---|---|---|---|
${idle.join("\n")}

${growth}
`;
}
