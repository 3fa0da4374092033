import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { byRegistry } from "@entrepot/server/activity/audit/record-audit";
import { draftJob } from "@entrepot/server/activity/jobs/draft-job";
import { enqueueJob } from "@entrepot/server/activity/jobs/enqueue-job";
import { jobKind } from "@entrepot/server/activity/jobs/job-kind";
import { systemClock } from "@entrepot/server/lib/clock";
import { silentLog } from "@entrepot/server/lib/log";
import { createJobRunner, usualTimes } from "@entrepot/server/operations/jobs/job-runner";
import { registerKinds } from "@entrepot/server/operations/jobs/run-schedules";
import { openDatabase } from "@entrepot/server/storage/database/open-database";
import { startPostgresCluster } from "@entrepot/server/storage/database/testing/postgres-cluster";

/*
 * npm run bench:jobs
 *
 * How many jobs that do nothing a second are queued (each in a transaction of its own that may be lost by a power failure, and in one that may not) and run,
 * with a backlog of many namespaces, by one instance and by four in this process. On both engines.
 */

const jobs = 3_000;
const namespaces = 50;

await main();

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-bench-jobs-"));
  const cluster = await startPostgresCluster();
  try {
    console.log(
      `${cpus().length} cores, Node.js ${process.versions.node}, ${jobs} jobs of ${namespaces} namespaces\n`,
    );
    console.log(
      "| engine | instances | queued durably a second | queued a second | run a second | run twice |",
    );
    console.log("|---|---|---|---|---|---|");
    await measure("SQLite", `sqlite:${join(folder, "entrepot.db")}`, 1);
    await measure("PostgreSQL", cluster.url, 1);
    await measure("PostgreSQL", cluster.url, 4);
  } finally {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(engine: string, url: string, instances: number): Promise<void> {
  const database = await openDatabase({ url, poolSize: 10, acquireTimeoutMs: 60_000, log: silentLog });
  const runs = new Map<number, number>();
  let done = 0;
  const finished = Promise.withResolvers<void>();
  const kind = jobKind<undefined>({
    kind: "bench",
    summary: "Nothing.",
    maxAttempts: 3,
    timeoutMs: 60_000,
    concurrency: 1_000,
    async run(job) {
      runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
      done += 1;
      if (done === jobs) finished.resolve();
    },
  });
  const queue = async (count: number, durable: boolean): Promise<number> => {
    const startedAtMs = performance.now();
    for (let index = 0; index < count; index++) {
      const draft = await draftJob(kind, undefined, { namespace: `n${index % namespaces}` });
      await database.transaction((tx) => enqueueJob(tx, draft, byRegistry, systemClock.nowMs()), { durable });
    }
    return Math.round((count * 1_000) / (performance.now() - startedAtMs));
  };
  const durably = await queue(500, true);
  const quickly = await queue(jobs - 500, false);
  const kinds = new Map([[kind.kind, kind]]);
  await registerKinds(database, kinds.values(), systemClock.nowMs());
  const all = Array.from({ length: instances }, (_, index) =>
    createJobRunner({
      database,
      clock: systemClock,
      log: silentLog,
      instanceId: `bench-${index}`,
      atOnce: 16,
      times: usualTimes,
      kinds,
      onEnded: () => {},
    }),
  );
  const startedAtMs = performance.now();
  for (const each of all) each.start();
  await finished.promise;
  const rate = Math.round((jobs * 1_000) / (performance.now() - startedAtMs));
  for (const each of all) await each.stop();
  await database.close();
  const twice = [...runs.values()].filter((count) => count > 1).length;
  console.log(`| ${engine} | ${instances} | ${durably} | ${quickly} | ${rate} | ${twice} |`);
}
