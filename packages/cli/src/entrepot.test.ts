import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { createRegistryClient, type RegistryClient } from "@entrepot/client/registry-client";
import { startFaultProxy } from "@entrepot/client/testing/fault-proxy";
import { pushReferrer, pushSampleImage } from "@entrepot/client/testing/sample-image";
import { isObject } from "@entrepot/oci/json-object";
import { type CliRun, runCli } from "./testing/run-cli.ts";
import { administrator, type ServedRegistry, startServedRegistry } from "./testing/served-registry.ts";

const commands =
  "serve doctor admin login logout ls tags inspect copy rm gc verify backup restore keys storage database migrate regions jobs org team robot token issuer credential grant mail trust-rule provider audit elevate repository access reserved-name completion".split(
    " ",
  );

describe("entrepot without a registry", () => {
  it("describes every command with examples", async () => {
    const help = await runCli(["--help"]);
    assert.deepEqual([help.code, help.stderr], [0, ""]);
    for (const command of commands) {
      assert.match(help.stdout, new RegExp(`^  ${command}\\b`, "m"));
    }
    const copyHelp = await runCli(["copy", "--help"]);
    assert.match(copyHelp.stdout, /Examples:\n {2}entrepot copy /);
  });

  it("tells below a command what those above it take for it, and nothing that they take for themselves", async () => {
    const list = await runCli(["regions", "ls", "--help"]);
    assert.match(list.stdout, /^ {2}--registry <host>/m);
    assert.match(list.stdout, /^ {2}--json/m);
    const hold = await runCli(["gc", "hold", "--help"]);
    assert.equal(hold.stdout.match(/--registry <host>/g)?.length, 1);
    assert.doesNotMatch(hold.stdout, /--dry-run|--version/);
  });

  for (const args of [
    ["nonsense"],
    ["copy", "only-one"],
    ["ls", "--nonsense"],
    ["tags", "UPPER/case"],
    ["copy", "a:1", "b:2", "--concurrency", "0"],
    ["copy", "--all-tags", "a:1", "b"],
    ["rm", "--yes", "localhost:1/app"],
    ["inspect", "--raw", "--image-config", "app"],
    ["login", "localhost:1", "--password-stdin"],
    ["doctor", "--push-to", "a/b"],
    ["completion", "tcsh"],
  ]) {
    it(`ends with 2 and a sentence: ${args.join(" ")}`, async () => {
      const run = await runCli(args);
      assert.equal(run.code, 2);
      assert.equal(run.stdout, "");
      assert.match(run.stderr, /^(entrepot|error): \S/);
      assert.equal(run.stderr.includes("    at "), false);
    });
  }

  it("ends with 7 and a sentence when nothing listens, with a stack only for those who ask", async () => {
    const run = await runCli(["ls", "127.0.0.1:1"]);
    assert.deepEqual([run.code, run.stdout], [7, ""]);
    assert.match(
      run.stderr,
      /^entrepot: cannot list the repositories at 127\.0\.0\.1:1: nothing listens there; start the registry, or [^\n]+\n$/,
    );
    const debug = await runCli(["ls", "127.0.0.1:1"], { ENTREPOT_CLI_DEBUG: "1" });
    assert.match(debug.stderr, /\n {4}at /);
  });

  it("completes every command and option, in scripts that shells can read", async () => {
    const bash = await runCli(["completion", "bash"]);
    const folder = await mkdtemp(join(tmpdir(), "entrepot-completion-"));
    try {
      const file = join(folder, "entrepot.bash");
      await writeFile(file, bash.stdout);
      await promisify(execFile)("bash", ["-n", file]);
      const complete = async (words: string) => {
        const script = `source "${file}"; COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _entrepot; echo "\${COMPREPLY[@]}"`;
        return (await promisify(execFile)("bash", ["-c", script])).stdout.trim();
      };
      assert.equal(await complete("entrepot co"), "copy completion");
      assert.equal(await complete("entrepot copy --ref"), "--referrers");
      assert.equal(await complete("entrepot admin cr"), "create");
      assert.equal(await complete("entrepot completion z"), "zsh");
    } finally {
      await rm(folder, { recursive: true });
    }
    const [zsh, fish] = [await runCli(["completion", "zsh"]), await runCli(["completion", "fish"])];
    for (const command of commands) {
      assert.match(zsh.stdout, new RegExp(`'${command}:`));
      assert.match(fish.stdout, new RegExp(`-a '${command}'`));
    }
  });
});

describe("entrepot with registries", () => {
  let first: ServedRegistry;
  let second: ServedRegistry;
  let client: RegistryClient;
  let dockerConfig: string;
  let environment: Readonly<Record<string, string>>;
  let signedIn: string;

  before(async () => {
    [first, second] = await Promise.all([startServedRegistry(), startServedRegistry()]);
    client = createRegistryClient({
      origin: first.origin,
      credentials: { kind: "password", ...administrator },
    });
    signedIn = JSON.stringify({
      auths: Object.fromEntries([first, second].map(({ host }) => [host, { auth: basic }])),
    });
  });
  after(async () => {
    await client.close();
    // A drain, not a kill: `serve` has to end with 0.
    assert.deepEqual(await Promise.all([first.stop(), second.stop()]), [0, 0]);
  });
  beforeEach(async (t) => {
    dockerConfig = await mkdtemp(join(tmpdir(), "entrepot-docker-config-"));
    if ("after" in t) t.after(async () => rm(dockerConfig, { recursive: true, force: true }));
    environment = { DOCKER_CONFIG: dockerConfig };
  });

  const basic = Buffer.from(`${administrator.username}:${administrator.password}`).toString("base64");
  const configFile = () => join(dockerConfig, "config.json");
  const signIn = async () => writeFile(configFile(), signedIn);
  const run = async (...args: string[]): Promise<CliRun> => runCli(args, environment);
  const runJson = async (...args: string[]): Promise<Readonly<Record<string, unknown>>> => {
    const done = await run("--json", ...args);
    assert.equal(done.code, 0, done.stderr);
    const json: unknown = JSON.parse(done.stdout);
    assert.ok(isObject(json));
    return json;
  };
  const login = async (password: string) =>
    runCli(["login", first.host, "--username", "admin", "--password-stdin"], environment, `${password}\n`);

  it("keeps proven credentials where docker does, and whatever else is there", async () => {
    const before = {
      auths: { "other.example.org": { auth: "eDp5" } },
      psFormat: "table",
      plugins: { a: { b: "c" } },
    };
    await writeFile(configFile(), JSON.stringify(before), { mode: 0o644 });
    const done = await login(administrator.password);
    assert.equal(done.code, 0, done.stderr);
    const stored: unknown = JSON.parse(await readFile(configFile(), "utf8"));
    assert.deepEqual(stored, { ...before, auths: { ...before.auths, [first.host]: { auth: basic } } });
    assert.equal((await stat(configFile())).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(dockerConfig), ["config.json"]);
    assert.equal((await run("ls", first.host)).code, 0);

    const out = await runJson("logout", first.host);
    assert.deepEqual(out, { registry: first.host, removed: true });
    assert.deepEqual(JSON.parse(await readFile(configFile(), "utf8")), before);
  });

  it("keeps nothing when the registry refuses the password, and does not repeat it", async () => {
    const done = await login("wrong-password");
    assert.equal(done.code, 3);
    assert.equal((done.stdout + done.stderr).includes("wrong-password"), false);
    assert.deepEqual(await readdir(dockerConfig), []);
  });

  it("changes nothing in a configuration that it cannot read", async () => {
    await writeFile(configFile(), "{ not json");
    const done = await login(administrator.password);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /is not JSON; nothing was changed/);
    assert.equal(await readFile(configFile(), "utf8"), "{ not json");
  });

  it("leaves secrets to the credential helper that docker is configured with", async () => {
    const bin = join(dockerConfig, "bin");
    await mkdir(bin);
    const helper = join(bin, "docker-credential-test");
    const store = join(bin, "secret.json");
    await writeFile(
      helper,
      `#!/bin/sh\ncase "$1" in\nstore) cat > "${store}" ;;\nget) cat "${store}" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;\nerase) rm -f "${store}" ;;\nesac\n`,
    );
    await chmod(helper, 0o755);
    await writeFile(configFile(), JSON.stringify({ credsStore: "test" }));
    // oxlint-disable-next-line node/no-process-env -- the helper is found by the search path
    environment = { ...environment, PATH: `${bin}${delimiter}${process.env["PATH"]}` };
    assert.equal((await login(administrator.password)).code, 0);
    assert.equal((await readFile(configFile(), "utf8")).includes(basic), false);
    assert.equal((await readFile(store, "utf8")).includes(administrator.password), true);
    assert.equal((await run("gc", "--dry-run", "--registry", first.host)).code, 0);
    assert.equal((await run("logout", first.host)).code, 0);
    assert.equal((await run("gc", "--dry-run", "--registry", first.host)).code, 3);
  });

  it("lists, describes, copies and deletes, for people and for programs", async () => {
    await signIn();
    const image = await pushSampleImage(client, "team/shown", ["1", "2"], [70_000, 3_000]);
    await pushReferrer(client, "team/shown", image, "application/vnd.example.sbom");
    const name = `${first.host}/team/shown`;

    assert.equal((await run("ls", `${first.host}/team`)).stdout.includes("team/shown\n"), true);
    assert.deepEqual((await runJson("ls", `${first.host}/nothing`))["repositories"], []);
    assert.equal((await run("tags", name)).stdout, "1\n2\n");
    // With an option for TLS, a registry on this machine is asked whether it speaks it; this one does not.
    assert.equal((await run("--insecure", "tags", name)).stdout, "1\n2\n");

    const shown = await runJson("inspect", `${name}:1`);
    assert.equal(shown["digest"], image.digest);
    assert.equal(shown["platform"], "linux/amd64");
    assert.equal(shown["created"], "2026-01-02T03:04:05Z");
    assert.deepEqual([list(shown["layers"]).length, list(shown["referrers"]).length], [2, 1]);
    const raw = await run("inspect", "--raw", `${name}:1`);
    assert.equal(Buffer.byteLength(raw.stdout), image.size);
    assert.match((await run("inspect", "--image-config", `${name}:1`)).stdout, /"architecture":"amd64"/);

    const copied = await runJson("copy", "--referrers", `${name}:1`, `${second.host}/team/taken:new`);
    assert.equal(copied["digest"], image.digest);
    assert.deepEqual([copied["manifests"], copied["blobs"]], [2, { sent: 5, mounted: 0, present: 0 }]);
    const again = await run("copy", "--referrers", `${name}:1`, `${second.host}/team/taken:new`);
    assert.match(again.stdout, /0 blobs sent \(0 B\), 0 mounted, 5 there before\n$/);
    assert.match(again.stderr, /^2 manifests, 5 blobs, /);
    assert.equal(again.stderr.includes("\u001b"), false);

    const all = await runJson("copy", "--all-tags", name, `${second.host}/team/all`);
    assert.equal(list(all["copies"]).length, 2);
    assert.equal((await run("tags", `${second.host}/team/all`)).stdout, "1\n2\n");

    const asked = await run("rm", `${second.host}/team/all:1`);
    assert.equal(asked.code, 2);
    const removed = await runJson("rm", "--yes", `${second.host}/team/all:1`);
    assert.deepEqual(removed["results"], [{ image: `${second.host}/team/all:1`, deleted: true }]);
    assert.equal((await run("tags", `${second.host}/team/all`)).stdout, "2\n");
    assert.equal((await run("rm", "--yes", `${second.host}/team/all:1`)).code, 1);
  });

  it("mounts what it copies within one registry", async () => {
    await signIn();
    await pushSampleImage(client, "team/mounted", ["1"], [10_000]);
    const copied = await runJson("copy", `${first.host}/team/mounted:1`, `${first.host}/team/mount-target`);
    assert.deepEqual(copied["blobs"], { sent: 0, mounted: 2, present: 0 });
    assert.equal((await run("tags", `${first.host}/team/mount-target`)).stdout, "1\n");
  });

  it("goes on with an upload that broke in the middle of a request", async () => {
    await pushSampleImage(client, "team/broken", ["1"], [3_000_000]);
    const proxy = await startFaultProxy(second.origin);
    try {
      await writeFile(
        configFile(),
        JSON.stringify({ auths: { ...authsOf(signedIn), [proxy.host]: { auth: basic } } }),
      );
      proxy.setFault((method, path, count) =>
        method === "PUT" && path.includes("/uploads/") && count === 0
          ? { kind: "cut-request", afterBytes: 1_000_000 }
          : undefined,
      );
      const done = await run("copy", `${first.host}/team/broken:1`, `${proxy.host}/team/mended:1`);
      assert.equal(done.code, 0, done.stderr);
      // The first megabyte did not travel again: the rest came by PATCH, after the status was asked for.
      const patch = proxy.requests.findIndex((line) => line.startsWith("PATCH"));
      const range = String(proxy.headers[patch]?.["content-range"]);
      assert.match(range, /^[1-9]\d{3,}-2999999$/);
    } finally {
      await proxy.stop();
    }
  });

  it("asks the registry for garbage collection", async () => {
    await signIn();
    assert.match((await run("gc", "--dry-run", "--registry", first.host)).stdout, /^manifests +\d+$/m);
    assert.match((await run("gc", "--strays", "--dry-run", "--registry", first.host)).stdout, /^blobs +0$/m);
    assert.equal((await runJson("gc", "--strays", "--registry", first.host))["uploads"], 0);
    assert.equal(typeof (await runJson("gc", "--registry", first.host))["durationMs"], "number");
    await rm(configFile());
    const done = await run("gc", "--registry", first.host);
    assert.equal(done.code, 3);
    assert.match(done.stderr, /needs credentials for this; run: entrepot login/);
  });

  it("checks an installation, and a registry from outside", async () => {
    await signIn();
    // Few enough for whatever the machine lets a process have open.
    const few = { ENTREPOT_MAX_CONNECTIONS: "100", ENTREPOT_MAX_REQUESTS_IN_FLIGHT: "10" };
    const inside = await runCli(["--json", "doctor"], { ...environment, ...first.environment, ...few });
    assert.equal(inside.code, 0, inside.stdout);
    const outside = await run("doctor", "--registry", first.host, "--push-to", "team/doctor");
    assert.equal(outside.code, 0, outside.stdout);
    assert.match(outside.stdout, /^ok +push and pull +4096 bytes/m);
    const nobody = await run("--json", "doctor", "--registry", "127.0.0.1:1");
    assert.equal(nobody.code, 1);
    assert.match(nobody.stdout, /"ok": false/);
  });

  it("creates an administrator who can sign in, and does not touch one who exists", async () => {
    const server = { ...environment, ...first.environment };
    const created = await runCli(
      ["admin", "create", "anna", "--password-stdin"],
      server,
      "a-long-password-1\n",
    );
    assert.equal(created.code, 0, created.stderr);
    assert.equal((created.stdout + created.stderr).includes("a-long-password-1"), false);
    const args = ["login", first.host, "--username", "anna", "--password-stdin"];
    assert.equal((await runCli(args, environment, "a-long-password-1")).code, 0);
    const again = await runCli(["admin", "create", "anna"], server);
    assert.deepEqual([again.code, again.stdout], [6, ""]);
    const reset = await runCli(["admin", "create", "anna", "--reset"], server);
    assert.equal(reset.code, 0, reset.stderr);
    assert.equal((await runCli(args, environment, reset.stdout)).code, 0);
  });
});

function list(value: unknown): readonly unknown[] {
  assert.ok(Array.isArray(value));
  return value;
}

function authsOf(config: string): object {
  const json: unknown = JSON.parse(config);
  const auths = isObject(json) ? json["auths"] : undefined;
  assert.ok(isObject(auths));
  return auths;
}
