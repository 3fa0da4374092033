import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCli } from "./testing/run-cli.ts";
import { administrator, startServedRegistry } from "./testing/served-registry.ts";

test("shows its administrator every part of a running registry, and nobody else", async (t) => {
  const served = await startServedRegistry();
  t.after(() => served.stop());
  const config = await mkdtemp(join(tmpdir(), "entrepot-cli-health-"));
  t.after(() => rm(config, { recursive: true, force: true }));
  const environment = { DOCKER_CONFIG: config, ENTREPOT_CLI_REGISTRY: served.host };
  assert.equal((await runCli(["health"], environment)).code, 3);
  const { username, password } = administrator;
  const login = ["login", served.host, "-u", username, "--password-stdin"];
  assert.equal((await runCli(login, environment, password)).code, 0);
  const shown = await runCli(["health"], environment);
  assert.equal(shown.code, 0, shown.stderr);
  for (const part of ["process", "event-loop", "disk-space", "database", "storage", "sign-in"]) {
    assert.match(shown.stdout, new RegExp(`^ok +${part} *$`, "m"));
  }
  const told: unknown = JSON.parse((await runCli(["health", "--json"], environment)).stdout);
  const { endtoend } = told as { readonly endtoend: { readonly status: string } }; // as: the reply's shape
  assert.equal(endtoend.status, "ok");
});
