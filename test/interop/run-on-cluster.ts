import { globSync, writeFileSync } from "node:fs";
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
 * `--files docker,podman5` those of these files, `--write FILE` writes down what came out. Ends with 1 when a test failed, or none ran.
 */

interface Outcome {
  readonly name: string;
  readonly result: "passed" | "failed" | "skipped";
  readonly durationMs: number;
}

const root = join(import.meta.dirname, "../..");
const { values, positionals } = parseArgs({
  options: {
    only: { type: "string" },
    files: { type: "string", default: "*" },
    write: { type: "string" },
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
if (values.write !== undefined) writeFileSync(join(root, values.write), table());
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
    outcomes.push({ name: data.name, result, durationMs: data.details.duration_ms });
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

/** One line a test, one column a cluster. */
function table(): string {
  const day = new Date().toISOString().slice(0, 10);
  const which = values.only === undefined ? "All tests." : "A part of the tests, those named here.";
  const names = [...new Set([...runs.values()].flatMap((each) => each.map(({ name }) => name)))];
  const versions = [...clients].map(
    ([name, state]) => `${name}: ${"skip" in state ? `not there (${state.skip})` : state.version}`,
  );
  const cell = (instances: number, name: string) => {
    const outcome = runs.get(instances)?.find((each) => each.name === name);
    return outcome === undefined
      ? "not run"
      : `${outcome.result}, ${(outcome.durationMs / 1000).toFixed(1)} s`;
  };
  const columns = [...runs.keys()];
  return [
    "# The interop tests against clusters",
    "",
    `Written by \`npm run test:interop-cluster\` on ${day}. ${which} Each test has a cluster of its own: so many instances on PostgreSQL and Ceph's S3 gateway, behind an nginx`,
    "that sends every request to the next instance. The time contains starting it.",
    "",
    `| test | ${columns.map((instances) => `${instances} instances`).join(" | ")} |`,
    `| --- |${" --- |".repeat(columns.length)}`,
    ...names.map((name) => `| ${name} | ${columns.map((instances) => cell(instances, name)).join(" | ")} |`),
    "",
    "Clients:",
    "",
    ...versions.map((line) => `- ${line}`),
    "",
  ].join("\n");
}
