import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCli } from "./testing/run-cli.ts";
import { administrator, type ServedRegistry, startServedRegistry } from "./testing/served-registry.ts";

let served: ServedRegistry;
let config: string;

before(async () => {
  served = await startServedRegistry();
  config = await mkdtemp(join(tmpdir(), "entrepot-cli-jobs-"));
  const { username, password } = administrator;
  await entrepot(["login", served.host, "-u", username, "--password-stdin"], password);
});
after(async () => {
  await served.stop();
  await rm(config, { recursive: true, force: true });
});

async function entrepot(args: readonly string[], input = "") {
  const run = await runCli(args, { DOCKER_CONFIG: config, ENTREPOT_CLI_REGISTRY: served.host }, input);
  assert.equal(run.code, 0, run.stderr);
  return run.stdout;
}

test("shows kinds and jobs, runs, pauses and resumes a kind, and cancels what waits", async () => {
  const kinds = await entrepot(["jobs", "kinds"]);
  assert.match(kinds, /^NAME +PAUSED +WAITING +QUEUED +RUNNING +FAILED +SCHEDULE +NEXT\n/);
  assert.match(kinds, /uploads\.expire .*every 60 s/);
  await entrepot(["jobs", "pause", "uploads.expire"]);
  assert.match(await entrepot(["jobs", "kinds"]), /uploads\.expire +paused/);
  await entrepot(["jobs", "run", "uploads.expire"]);
  const queued: unknown = JSON.parse(await entrepot(["jobs", "ls", "--state", "queued", "--json"]));
  const [job] = (queued as { readonly jobs: readonly { readonly id: number }[] }).jobs; // as: the reply's shape
  assert.ok(job !== undefined);
  assert.match(await entrepot(["jobs", "cancel", String(job.id)]), /state +cancelled/);
  await entrepot(["jobs", "resume", "uploads.expire"]);
  assert.match(await entrepot(["jobs", "retry", String(job.id)]), /state +queued/);
  while (!/state +done/.test(await entrepot(["jobs", "show", String(job.id)])));
  const environment = { DOCKER_CONFIG: config, ENTREPOT_CLI_REGISTRY: served.host };
  const late = await runCli(["jobs", "cancel", String(job.id)], environment);
  assert.match(late.stderr, /the job has ended already: it is done/);
  assert.equal(late.code, 6);
  const again = await runCli(["jobs", "retry", String(job.id)], environment);
  assert.match(again.stderr, /the job is done: only one that failed, was cancelled or waits/);
  assert.equal(again.code, 6);
});

test("a job that is not there, and an id that is none, are told in words", async () => {
  const environment = { DOCKER_CONFIG: config, ENTREPOT_CLI_REGISTRY: served.host };
  assert.match((await runCli(["jobs", "show", "999999"], environment)).stderr, /there is no such job/);
  assert.equal((await runCli(["jobs", "show", "x"], environment)).code, 2);
});
