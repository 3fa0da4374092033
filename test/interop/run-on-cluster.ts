import { globSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import { parseArgs } from "node:util";
import { startObjectServer } from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { startPostgresCluster } from "@entrepot/server/storage/database/testing/postgres-cluster";
import { missingForCluster } from "../scale-out/start-cluster.ts";
import { clients } from "./clients.ts";

/*
 * The interop tests against clusters: `node --conditions=source test/interop/run-on-cluster.ts 2 4`. `--only REGEXP` runs the tests of these names,
 * `--files docker,podman5` those of these files, `--write FILE` writes down what came out, and with `--keep` leaves there what an earlier run wrote of
 * tests and clusters that this one left out. Ends with 1 when a test failed, or none ran.
 */

interface Outcome {
  readonly name: string;
  readonly result: "passed" | "failed" | "skipped";
  readonly durationMs: number;
  /** Why it was skipped. */
  readonly reason?: string;
}

/** Instances → name of the test → what the table says. */
type Cells = Map<number, Map<string, string>>;

const root = join(import.meta.dirname, "../..");
const { values, positionals } = parseArgs({
  options: {
    only: { type: "string" },
    files: { type: "string", default: "*" },
    write: { type: "string" },
    keep: { type: "boolean", default: false },
    concurrency: { type: "string", default: "2" },
  },
  allowPositionals: true,
});
const missing = missingForCluster();
if (missing !== undefined) throw new Error(missing);

const objects = await startObjectServer("ceph");
const postgres = await startPostgresCluster();
const runs = new Map<number, readonly Outcome[]>();
try {
  // Every file is a process of its own, and every test starts several servers.
  process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), "entrepot-compile-cache");
  process.env["ENTREPOT_TEST_OBJECTS"] = objects.origin;
  process.env["ENTREPOT_TEST_OBJECTS_KEYS"] = `${objects.keys.accessKey} ${objects.keys.secretKey}`;
  process.env["ENTREPOT_TEST_POSTGRES_URL"] = postgres.url;
  for (const instances of positionals.map(Number)) runs.set(instances, await runOn(instances));
} finally {
  await postgres.stop();
  await objects.stop();
}
if (values.write !== undefined) {
  const file = join(root, values.write);
  writeFileSync(file, table(cellsOf(runs, values.keep ? readCells(readFileSync(file, "utf8")) : new Map())));
}
const all = [...runs.values()];
const isGood = all.every(
  (each) => each.some(({ result }) => result === "passed") && each.every(({ result }) => result !== "failed"),
);
process.exitCode = all.length > 0 && isGood ? 0 : 1;

async function runOn(instances: number): Promise<readonly Outcome[]> {
  process.env["ENTREPOT_TEST_INSTANCES"] = String(instances);
  const outcomes: Outcome[] = [];
  const startedMs = performance.now();
  const events = run({
    files: values.files
      .split(",")
      .flatMap((name) => globSync(join(root, `test/interop/${name}.test.ts`)).sort()),
    concurrency: Number(values.concurrency),
    ...(values.only === undefined ? {} : { testNamePatterns: [new RegExp(values.only)] }),
  });
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    // A file is a test, too.
    if (data.name.endsWith(".ts") || data.name === "the clients of the interop tests") continue;
    const isSkipped = data.skip !== undefined && data.skip !== false;
    const result = type === "test:fail" ? "failed" : isSkipped ? "skipped" : "passed";
    const durationMs = data.details.duration_ms;
    const reason = typeof data.skip === "string" ? { reason: data.skip } : {};
    outcomes.push({ name: data.name, result, durationMs, ...reason });
    console.log(`${result} ${data.name} (${Math.round(data.details.duration_ms)} ms) ${data.skip ?? ""}`);
    if (type === "test:fail") console.log(data.details.error.cause ?? data.details.error);
  }
  const count = (result: Outcome["result"]) => outcomes.filter((each) => each.result === result).length;
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  console.log(
    `${instances} instances: ${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped, ${seconds} s`,
  );
  return outcomes;
}

/** What came out now, over what was known before. */
function cellsOf(outcomes: ReadonlyMap<number, readonly Outcome[]>, cells: Cells): Cells {
  for (const [instances, each] of outcomes) {
    const column = cells.get(instances) ?? new Map<string, string>();
    cells.set(instances, column);
    for (const { name, result, durationMs, reason } of each)
      column.set(
        name,
        result === "skipped" ? `skipped: ${reason}` : `${result}, ${(durationMs / 1000).toFixed(1)} s`,
      );
  }
  return cells;
}

/** The table of an earlier run. */
function readCells(page: string): Cells {
  const rows = page
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| ---"))
    .map((line) => line.slice(2, -2).split(" | "));
  const [head = [], ...tests] = rows;
  return new Map(
    head.slice(1).map((title, index) => {
      const known = tests.map((row) => [row[0] ?? "", row[index + 1] ?? ""] as const);
      return [Number.parseInt(title, 10), new Map(known.filter(([, cell]) => cell !== "not run"))];
    }),
  );
}

/** One line a test, one column a cluster. */
function table(cells: Cells): string {
  const day = new Date().toISOString().slice(0, 10);
  const names = [...new Set([...cells.values()].flatMap((column) => [...column.keys()]))];
  const versions = [...clients].map(
    ([name, state]) => `${name}: ${"skip" in state ? `not there (${state.skip})` : state.version}`,
  );
  const columns = [...cells].toSorted(([one], [other]) => one - other);
  return [
    "# The interop tests against clusters",
    "",
    `Written by \`npm run test:interop-cluster\`, last on ${day}. Each test has a cluster of its own: so many instances on PostgreSQL and Ceph's S3 gateway, behind an nginx`,
    "that sends every request to the next instance. The time contains starting it.",
    "",
    `| test | ${columns.map(([instances]) => `${instances} instances`).join(" | ")} |`,
    `| --- |${" --- |".repeat(columns.length)}`,
    ...names.map(
      (name) => `| ${name} | ${columns.map(([, column]) => column.get(name) ?? "not run").join(" | ")} |`,
    ),
    "",
    "Clients:",
    "",
    ...versions.map((line) => `- ${line}`),
    "",
  ].join("\n");
}
