import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { countRoundTrips } from "@entrepot/server/storage/database/testing/count-round-trips";
import { startPostgresCluster } from "@entrepot/server/storage/database/testing/postgres-cluster";
import { showReport, takeBenchOptions } from "../bench-options.ts";
import type { BenchServer } from "../servers/bench-server.ts";
import { startEntrepot } from "../servers/entrepot.ts";
import { makeOperations, type Send } from "./operations.ts";

/*
 * npm run bench:round-trips [-- --out docs/benchmark-round-trips.md] [--repeat N]
 *
 * How often an instance waits for PostgreSQL in each request of a pull and a push, counted by a proxy on the wire; and how long each takes with the server
 * here, with it a millisecond away, and on SQLite. One client, one request after the other.
 */

const { repeat, out } = takeBenchOptions({ repeat: 60 }, ["out"]);
const settleMs = 5_000;
const goals: readonly (readonly [RegExp, number])[] = [
  [/^GET .*first$/, 1],
  [/^GET .*digest, again$/, 0],
  [/^(PUT|POST|PATCH) /, 3],
];

interface Figure {
  readonly name: string;
  readonly trips: number;
  readonly p50Ms: number;
}

await main();

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-round-trips-"));
  try {
    const near = await measurePostgres(join(folder, "near"), 0);
    const far = await measurePostgres(join(folder, "far"), 1);
    const sqlite = await measure(join(folder, "sqlite"), {}, () => 0);
    const report = format(near, far, sqlite);
    showReport(report, out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measurePostgres(dataDir: string, delayMs: number): Promise<readonly Figure[]> {
  const cluster = await startPostgresCluster();
  const wire = await countRoundTrips(cluster.url, delayMs);
  try {
    return await measure(dataDir, { ENTREPOT_DATABASE_URL: wire.url }, wire.count);
  } finally {
    await wire.close();
    await cluster.stop();
  }
}

async function measure(
  dataDir: string,
  settings: Readonly<Record<string, string>>,
  trips: () => number,
): Promise<readonly Figure[]> {
  const server = await startEntrepot("entrepot", dataDir, settings);
  try {
    await wait(settleMs); // what a server that has just started does by itself
    const figures: Figure[] = [];
    for (const { name, prepare } of await makeOperations(await sender(server))) {
      const counts: number[] = [];
      const times: number[] = [];
      for (let index = 0; index < repeat; index += 1) {
        const work = await prepare();
        const before = trips();
        const startedAtMs = performance.now();
        await work();
        times.push(performance.now() - startedAtMs);
        counts.push(trips() - before);
      }
      // The lower quartile: a look for news each second and chores, which the instance does by itself, fall into some requests.
      figures.push({ name, trips: quantile(counts, 0.25), p50Ms: quantile(times, 0.5) });
    }
    return figures;
  } finally {
    await server.stop();
  }
}

async function sender(server: BenchServer): Promise<Send> {
  const rights = await server.headers("repository:bench/app:pull,push repository:bench/other:pull,push");
  return async (method, path, { status, body, type }) => {
    const reply = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      method,
      headers: { ...rights, ...(type === undefined ? {} : { "content-type": type }) },
      ...(body === undefined ? {} : { body }),
    });
    const text = await reply.text();
    if (reply.status !== status) throw new Error(`${method} ${path} answered ${reply.status}: ${text}`);
    return { location: reply.headers.get("location") ?? "" };
  };
}

function quantile(numbers: readonly number[], share: number): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length * share)] ?? 0;
}

function format(near: readonly Figure[], far: readonly Figure[], sqlite: readonly Figure[]): string {
  const rows = near.map(({ name, trips, p50Ms }, index) => {
    const goal = goals.find(([pattern]) => pattern.test(name))?.[1];
    const verdict = goal === undefined ? "" : `${goal}: ${trips <= goal ? "met" : "**missed**"}`;
    const [there, here] = [far[index]?.p50Ms ?? 0, sqlite[index]?.p50Ms ?? 0];
    return `| ${name} | ${trips} | ${verdict} | ${p50Ms.toFixed(1)} | ${there.toFixed(1)} | ${here.toFixed(1)} |`;
  });
  return `# Round trips

Written by \`npm run bench:round-trips -- --out docs/benchmark-round-trips.md\`. How often an instance waits for PostgreSQL in a request, \`begin\` and \`commit\` counted,
on the wire between the two; and milliseconds for one request of one client, median of ${repeat}, with PostgreSQL on this machine, with its answers a millisecond later, and with
SQLite. Manifests name five layers; blobs have 1 KB. A manifest by tag is looked up each time, as any instance may have moved the tag.
${cpus().length} × ${cpus()[0]?.model.replace(/ \d+-Core.*/, "") ?? "?"}, Node ${process.version}.

| request | round trips | goal | ms | ms, 1 ms away | ms, SQLite |
|---|---|---|---|---|---|
${rows.join("\n")}
`;
}
