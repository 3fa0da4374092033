import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import type { Access } from "@entrepot/server/access/access";
import type { UserActor } from "@entrepot/server/access/actor";
import { createAccess } from "@entrepot/server/access/create-access";
import { createVersionedCache } from "@entrepot/server/access/versioned-cache";
import { systemClock } from "@entrepot/server/lib/clock";
import { silentLog } from "@entrepot/server/lib/log";
import { oncePerTurn } from "@entrepot/server/lib/once-per-turn";
import type { Database } from "@entrepot/server/storage/database/database";
import { openDatabase } from "@entrepot/server/storage/database/open-database";
import { updateStatistics } from "@entrepot/server/storage/database/testing/explain-plan";
import { startPostgresCluster } from "@entrepot/server/storage/database/testing/postgres-cluster";
import { showReport, takeBenchOptions } from "../bench-options.ts";
import { heavy, repositoryName, seedRights, size, usual } from "./seed-rights.ts";

/*
 * npm run bench:decisions [-- --out docs/benchmark-access.md]
 *
 * What it costs to decide whether somebody may do something to a repository: CPU of this process when the facts are in memory, statements and time when they
 * are not. In this process, as the server does it: one decision a turn of the event loop.
 */

const { out } = takeBenchOptions({}, ["out"]);

const goals = { cachedCpuUs: 50, statements: 1 } as const;
const hot = 1_000;
const rounds = 5;
const decisionsPerRound = 20_000;
const coldDecisions = 400;

interface Cost {
  readonly engine: string;
  readonly who: string;
  readonly cachedCpuUs: number;
  readonly statements: number;
  readonly coldMs: number;
}

await main();

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-decisions-"));
  const cluster = await startPostgresCluster();
  try {
    const costs = [
      ...(await measure("SQLite", `sqlite:${join(folder, "entrepot.db")}`)),
      ...(await measure("PostgreSQL", cluster.url)),
    ];
    const report = format(costs);
    showReport(report, out);
  } finally {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(engine: string, url: string): Promise<readonly Cost[]> {
  let statements = 0;
  const opened = await openDatabase({
    url,
    poolSize: 5,
    acquireTimeoutMs: 10_000,
    log: silentLog,
    onQuery: (text) => {
      if (!/^\s*(begin|commit|set)/i.test(text)) statements += 1;
    },
  });
  const database: Database = {
    ...opened,
    foreignChangeStamp: oncePerTurn(() => opened.foreignChangeStamp()),
  };
  try {
    await seedRights(database);
    await updateStatistics(database.read);
    const costs: Cost[] = [];
    for (const { name, userId } of [usual, heavy]) {
      const actor = userActor(userId, name);
      const cold = await measureCold(open(database), actor, () => statements);
      costs.push({ engine, who: name, cachedCpuUs: await measureCached(open(database), actor), ...cold });
    }
    return costs;
  } finally {
    await database.close();
  }
}

function open(database: Database): Access {
  return createAccess({
    database,
    cache: createVersionedCache(database, systemClock, { maxEntries: 100_000 }),
    clock: systemClock,
    anonymousAccess: "pull",
    defaultNamespace: "library",
  });
}

/** Microseconds of CPU for one decision, less what a turn costs in which nothing is decided; the median of the rounds. */
async function measureCached(access: Access, actor: UserActor): Promise<number> {
  const names = Array.from({ length: hot }, (_, index) => parseRepositoryName(repositoryName(index * 97)));
  const decide = async (index: number) => {
    const name = names[index % hot];
    if (name !== undefined) await access.locate(actor, "pull", name);
  };
  for (let index = 0; index < 3 * hot; index += 1) await decide(index);
  const found: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const empty = await cpuUsOf(async () => {});
    found.push((await cpuUsOf(decide)) - empty);
  }
  return median(found);
}

async function cpuUsOf(work: (index: number) => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  for (let index = 0; index < decisionsPerRound; index += 1) {
    await work(index);
    await turn();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / decisionsPerRound;
}

/** Statements and milliseconds of a first decision on each of many repositories. */
async function measureCold(
  access: Access,
  actor: UserActor,
  statements: () => number,
): Promise<{ readonly statements: number; readonly coldMs: number }> {
  const name = (index: number) => parseRepositoryName(repositoryName(50_000 + index * 101));
  // What is read once a second and process, whatever is decided.
  for (let index = 0; index < 20; index += 1) await access.locate(actor, "pull", name(coldDecisions + index));
  const counts: number[] = [];
  const times: number[] = [];
  for (let index = 0; index < coldDecisions; index += 1) {
    const before = statements();
    const startedAt = performance.now();
    await access.locate(actor, "pull", name(index));
    times.push(performance.now() - startedAt);
    counts.push(statements() - before);
  }
  return { statements: median(counts), coldMs: median(times) };
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function userActor(userId: number, username: string): UserActor {
  return {
    kind: "user",
    account: "person",
    userId,
    username,
    isAdmin: false,
    isAuditor: false,
    credential: "password",
    accessTokenId: undefined,
    limits: undefined,
    credentialScopes: undefined,
  };
}

function format(costs: readonly Cost[]): string {
  const count = (number: number) => number.toLocaleString("en");
  const rows = costs.map(
    ({ engine, who, cachedCpuUs, statements, coldMs }) =>
      `| ${engine} | ${who} | ${cachedCpuUs.toFixed(1)} | ${verdict(cachedCpuUs < goals.cachedCpuUs)} | ${statements} | ${verdict(statements <= goals.statements)} | ${coldMs.toFixed(2)} |`,
  );
  return `# The cost of a decision

Written by \`npm run bench:decisions -- --out docs/benchmark-access.md\`. ${count(size.repositories)} repositories, ${count(size.teams)} teams and ${count(size.grants)} grants; one
decision a turn of the event loop, as a request makes it. CPU is this process' user and system time for one decision whose facts are in memory, less that of an empty turn; median of ${rounds} rounds
of ${count(decisionsPerRound)}. Statements and time are of a first decision on a repository, median of ${coldDecisions}; time includes the database's. ${cpus().length} cores of ${cpus()[0]?.model ?? "an unknown kind"}, Node ${process.version}.

*usual* is in 3 teams and has 5 grants; *heavy* is in all ${count(size.teams)} teams, which with their own have all other grants.

| engine | who asks | CPU µs, cached | goal ${goals.cachedCpuUs} | statements, not cached | goal ${goals.statements} | ms, not cached |
|---|---|---|---|---|---|---|
${rows.join("\n")}

Beside these, a process looks once whether rights have changed: on SQLite whenever another process has written, on PostgreSQL once a second.
`;
}

function verdict(isMet: boolean): string {
  return isMet ? "met" : "**missed**";
}
