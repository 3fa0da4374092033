import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { missingForCluster } from "./start-cluster.ts";

const root = join(import.meta.dirname, "../..");

/** Each client once, by what asks most of the registry. `npm run test:interop-cluster` is everything, against two instances and four. */
const files = ["docker", "podman", "podman5", "skopeo", "oras", "crane", "tls", "cosign"];
const part = [
  "docker 28 with containerd's store pulls, runs and pushes",
  "podman 5 pulls parts of zstd:chunked layers",
  "podman 4 pulls, runs, pushes and searches",
  "skopeo mounts across repositories",
  "oras 1.3 pushes and pulls files",
  "crane lists, copies with a mount",
  "helm speaks TLS",
  "cosign 3 attests",
];

test("clients notice nothing of two instances behind a load balancer that knows no sessions", {
  skip: missingForCluster() ?? false,
}, async (t) => {
  const script = ["test/interop/run-on-cluster.ts", "2", "--concurrency", "1", "--only", part.join("|")];
  const inFiles = ["--files", files.join(",")];
  const child = spawn(process.execPath, ["--conditions=source", ...script, ...inFiles], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  for (const line of output.trim().split("\n")) if (/^(passed|skipped|\d)/.test(line)) t.diagnostic(line);
  assert.equal(code, 0, output.slice(-20_000));
  const outcomes = output.match(/^(passed|skipped) /gm) ?? [];
  assert.equal(outcomes.length, part.length, "a test was renamed");
});
