import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type CliRun, runCli } from "./testing/run-cli.ts";
import { administrator, type ServedRegistry, startServedRegistry } from "./testing/served-registry.ts";

describe("entrepot mail, trust-rule and login with a token", () => {
  let registry: ServedRegistry;
  let folder: string;
  let run: (args: readonly string[], input?: string) => Promise<CliRun>;
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

  before(async () => {
    registry = await startServedRegistry();
    folder = await mkdtemp(join(tmpdir(), "entrepot-docker-config-"));
    run = (args, input) =>
      runCli(args, { DOCKER_CONFIG: folder, ENTREPOT_CLI_REGISTRY: registry.host }, input);
    const { username, password } = administrator;
    await run(["login", registry.host, "--username", username, "--password-stdin"], password);
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
    assert.equal(await registry.stop(), 0);
  });

  const newToken = (claims: object): string => {
    const now = Math.floor(Date.now() / 1_000); // oxlint-disable-line no-restricted-properties -- the registry has the system's clock
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part({ alg: "ES256", typ: "JWT" })}.${part({ iat: now, exp: now + 300, ...claims })}`;
    const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  };

  it("says that mails wait as long as there is no mail server", async () => {
    const list = await run(["mail", "list"]);
    assert.equal(list.code, 0, list.stderr);
    assert.match(list.stderr, /no mail server is configured/);
    const test = await run(["mail", "test", "ann@example.org"]);
    assert.equal(test.code, 1);
    assert.match(test.stderr, /set smtp\.host/);
    assert.equal((await run(["mail", "retry", "17"])).code, 5);
    assert.equal((await run(["mail", "retry", "x"])).code, 2);
  });

  it("says what is wrong with a rule before anything is sent", async () => {
    const rest = ["--issuer", "x", "--audience", "y", "--subject", "z"];
    for (const wrong of [
      ["--claim", "nothing"],
      ["--claim", "a=b", "--scope", "x"],
      ["--claim", "a=b", "--lifetime", "long"],
    ]) {
      assert.equal((await run(["trust-rule", "create", "acme/ci", ...rest, ...wrong])).code, 2);
    }
    assert.equal((await run(["trust-rule", "create", "a/b/c", ...rest, "--claim", "a=b"])).code, 2);
    assert.equal((await run(["login", registry.host, "--rule", "acme/ci"])).code, 2);
  });

  it("refuses a rule for nobody, and a token that no rule takes, without keeping anything", async () => {
    const keysFile = join(folder, "keys.pem");
    await writeFile(keysFile, publicKey.export({ type: "spki", format: "pem" }));
    const rule = ["--issuer", "ci", "--audience", "registry", "--claim", "sub=job", "--keys-file", keysFile];
    const made = await run(["trust-rule", "create", "ci", ...rule, "--subject", "nobody"]);
    assert.equal(made.code, 2);
    assert.match(made.stderr, /must be a robot or an issuer/);
    assert.equal((await run(["trust-rule", "list"])).stdout, "");
    const before = await readFile(join(folder, "config.json"), "utf8");
    const tokenFile = join(folder, "token.jwt");
    const token = newToken({ iss: "ci", aud: "registry", sub: "job" });
    await writeFile(tokenFile, `${token}\n`);
    const login = await run(["login", registry.host, "--oidc-token-file", tokenFile, "--rule", "ci"]);
    assert.equal(login.code, 3);
    assert.match(login.stderr, /does not take this token/);
    assert.equal((login.stdout + login.stderr).includes(token), false);
    assert.equal(await readFile(join(folder, "config.json"), "utf8"), before);
  });
});
