import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { runCli } from "./testing/run-cli.ts";

const secret = "the-secret-of-the-example-in-the-tests";
const example = resolve(import.meta.dirname, "../../../examples/decision-server.ts");

/** The example as its reader starts it; its address. */
async function startExample(t: TestContext): Promise<string> {
  const child = spawn(process.execPath, [example], {
    env: { DECISION_SECRET: secret, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill());
  const [line] = await once(child.stdout, "data");
  return String(line).trim();
}

const check = (url: string, own: string, password: string) => {
  const credentials = ["--username", "alice", "--password", password, "--token", "alices-token"];
  const rest = ["--secret", own, "--repository", "syn1/tool"];
  return runCli(["--json", "decision-point", "check", url, ...credentials, ...rest]);
};

test("finds nothing wrong with the example", async (t) => {
  const run = await check(await startExample(t), secret, "wonderland");
  assert.equal(run.code, 0, run.stdout + run.stderr);
  const { findings } = JSON.parse(run.stdout);
  assert.equal(findings.length, 17);
});

test("says what is wrong, and ends with 1", async (t) => {
  const url = await startExample(t);
  const wrongSecret = await check(url, `${secret}-not`, "wonderland");
  assert.equal(wrongSecret.code, 1);
  const { findings } = JSON.parse(wrongSecret.stdout);
  const password = findings.find(({ name }: { name: string }) => name === "the right password");
  assert.deepEqual([password.ok, password.message], [false, "answers 401, not 200"]);
  const wrongPassword = await check(url, secret, "looking-glass");
  assert.equal(wrongPassword.code, 1);
  assert.match(wrongPassword.stdout, /is not known/);
  const nobody = await check("http://127.0.0.1:1/", secret, "wonderland");
  assert.equal(nobody.code, 1);
  assert.doesNotMatch(nobody.stdout + nobody.stderr, /\n\s+at /);
});
