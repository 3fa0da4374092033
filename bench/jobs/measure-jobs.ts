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
import {
  deleteAllJobs,
  doNothing,
  floodWithJobs,
} from "@entrepot/server/operations/jobs/testing/flood-store";
import type { Database } from "@entrepot/server/storage/database/database";
import { openDatabase } from "@entrepot/server/storage/database/open-database";
import { startDurablePostgres } from "../durable-postgres.ts";

/*
 * npm run bench:jobs
 *
 * How many jobs that do nothing a second are queued (each in a transaction of its own that may be lost by a power failure, and in one that may not) and run,
 * with a backlog of many namespaces, by one instance and by four in this process; then with a hundred thousand more behind them. On both engines, which
 * flush what they commit. "Transactions" are ones that do nothing, one after the other, before and after: what the machine gives in this minute.
 */

const jobs = 5_000;
const backlog = 100_000;
const namespaces = 50;
const atOnce = 16;

await main();

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-bench-jobs-"));
  const cluster = await startDurablePostgres();
  try {
    console.log(
      `${cpus().length} cores, Node.js ${process.versions.node}, ${jobs} jobs of ${namespaces} namespaces, ${atOnce} at once an instance\n`,
    );
    console.log(
      "| engine | instances | behind them | transactions a second | queued durably a second | queued a second | run a second | statements a job | run twice |",
    );
    console.log("|---|---|---|---|---|---|---|---|---|");
    const sqlite = (name: string) => `sqlite:${join(folder, `${name}.db`)}`;
    await measure({ engine: "SQLite", url: sqlite("first"), instances: 1, behind: 0 });
    await measure({ engine: "SQLite", url: sqlite("second"), instances: 1, behind: backlog });
    for (const instances of [1, 2, 4]) {
      await measure({ engine: "PostgreSQL", url: cluster.url, instances, behind: 0 });
    }
    await measure({ engine: "PostgreSQL", url: cluster.url, instances: 1, behind: backlog });
  } finally {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Case {
  readonly engine: string;
  readonly url: string;
  readonly instances: number;
  readonly behind: number;
}

async function measure({ engine, url, instances, behind }: Case): Promise<void> {
  let statements = 0;
  const database = await openDatabase({
    url,
    poolSize: 10,
    acquireTimeoutMs: 60_000,
    log: silentLog,
    onQuery: () => {
      statements += 1;
    },
  });
  await database.transaction(deleteAllJobs);
  const runs = new Map<number, number>();
  const finished = Promise.withResolvers<void>();
  let done = 0;
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
  for (let index = 0; behind > 0 && index < namespaces; index++) {
    const count = behind / namespaces;
    await floodWithJobs(database, { kind: "bench", namespace: `n${index}`, count, state: "queued" });
  }
  const kinds = new Map([[kind.kind, kind]]);
  await registerKinds(database, kinds.values(), systemClock.nowMs());
  const all = Array.from({ length: instances }, (_, index) =>
    createJobRunner({
      database,
      clock: systemClock,
      log: silentLog,
      instanceId: `bench-${index}`,
      atOnce,
      times: usualTimes,
      kinds,
      onEnded: () => {},
    }),
  );
  const before = await transactionsPerSecond(database);
  statements = 0;
  const startedAtMs = performance.now();
  for (const each of all) each.start();
  await finished.promise;
  const rate = Math.round((jobs * 1_000) / (performance.now() - startedAtMs));
  const perJob = (statements / jobs).toFixed(2);
  for (const each of all) await each.stop();
  const after = await transactionsPerSecond(database);
  await database.close();
  const twice = [...runs.values()].filter((count) => count > 1).length;
  console.log(
    `| ${engine} | ${instances} | ${behind} | ${before}, ${after} | ${durably} | ${quickly} | ${rate} | ${perJob} | ${twice} |`,
  );
}

async function transactionsPerSecond(database: Database): Promise<number> {
  const count = 300;
  const startedAtMs = performance.now();
  for (let index = 0; index < count; index++) {
    await database.transaction(doNothing, { durable: false });
  }
  return Math.round((count * 1_000) / (performance.now() - startedAtMs));
}
