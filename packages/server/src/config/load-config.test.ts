import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { settings } from "./config.ts";
import { loadConfig } from "./load-config.ts";
import { ConfigError } from "./setting-error.ts";
import type { Setting } from "./settings.ts";

async function file(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-config-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "entrepot.yaml");
  await writeFile(path, text);
  return path;
}

async function problemsOf(
  environment: Record<string, string>,
  configFile?: string,
): Promise<readonly string[]> {
  try {
    await loadConfig(environment, configFile);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  assert.fail("the configuration was taken");
}

test("without any setting everything has a default, below the data folder", async () => {
  const config = await loadConfig({});
  assert.equal(config.port, 5000);
  assert.equal(config.databaseUrl, "sqlite:data/entrepot.db");
  assert.equal(config.storageUrl, "file:data/storage");
  assert.equal(config.adminPassword, undefined);
});

test("the environment wins over the file, the file over the default", async (t) => {
  const path = await file(t, "port: 6000\nworkers: 3\ntoken:\n  lifetimeSeconds: 600\n");
  const config = await loadConfig({ ENTREPOT_PORT: "7000", ENTREPOT_CONFIG: path });
  assert.equal(config.port, 7000);
  assert.equal(config.workers, 3);
  assert.equal(config.tokenLifetimeSeconds, 600);
  assert.equal((await loadConfig({}, path)).port, 6000);
});

test("the data folder moves what lies in it", async () => {
  const config = await loadConfig({
    ENTREPOT_DATA_DIR: "/srv/registry",
    ENTREPOT_STORAGE_URL: "file:/mnt/blobs",
  });
  assert.equal(config.databaseUrl, "sqlite:/srv/registry/entrepot.db");
  assert.equal(config.storageUrl, "file:/mnt/blobs");
});

test("a secret may come from a file, and the variable itself wins over it", async (t) => {
  const path = await file(t, "from a file\n");
  const variable = { ENTREPOT_ADMIN_PASSWORD_FILE: path };
  assert.equal((await loadConfig(variable)).adminPassword, "from a file");
  assert.equal(
    (await loadConfig({ ...variable, ENTREPOT_ADMIN_PASSWORD: "direct" })).adminPassword,
    "direct",
  );
  assert.match(
    (await problemsOf({ ENTREPOT_ADMIN_PASSWORD_FILE: "/nowhere" }))[0] ?? "",
    /cannot be read.*ENOENT/,
  );
});

test("an empty variable counts as not set, and foreign ones are left alone", async () => {
  assert.equal((await loadConfig({ ENTREPOT_PORT: "", PATH: "/bin", REGISTRY_AUTH_FILE: "x" })).port, 5000);
});

test("everything that is wrong is told at once, without quoting what may be a secret", async () => {
  const problems = await problemsOf({
    ENTREPOT_PORT: "99999",
    ENTREPOT_TRUST_PROXY: "yes",
    ENTREPOT_LOG_LEVEL: "loud",
    ENTREPOT_PUBLIC_URL: "https://user:hunter2@registry.test/path",
    ENTREPOT_ADMIN_USERNAME: "a\u0007b",
    ENTREPOT_TLS_CERTIFICATE: "/cert.pem",
    ENTREPOT_PROT: "5000",
  });
  const text = problems.join("\n");
  assert.match(text, /ENTREPOT_PORT must be a whole number from 0 to 65535/);
  assert.match(text, /ENTREPOT_TRUST_PROXY must be true or false/);
  assert.match(text, /ENTREPOT_LOG_LEVEL must be one of error, warn, info, debug/);
  assert.match(text, /ENTREPOT_PUBLIC_URL must be scheme, host and port only/);
  assert.match(text, /ENTREPOT_ADMIN_USERNAME must not contain control characters/);
  assert.match(text, /tls.certificate and tls.key go together/);
  assert.match(text, /ENTREPOT_PROT is no setting; did you mean ENTREPOT_PORT\?/);
  assert.doesNotMatch(text, /hunter2/);
});

test("a file that is not YAML, has keys that are none, or is not there is refused with its name", async (t) => {
  const broken = await file(t, "port: [1\n");
  assert.match((await problemsOf({}, broken))[0] ?? "", new RegExp(`^${broken}: `));
  const unknown = await file(t, "tokn:\n  lifetimeSeconds: 600\nlist: [1]\n");
  const problems = await problemsOf({}, unknown);
  assert.match(problems[0] ?? "", /tokn.lifetimeSeconds is no setting; did you mean token.lifetimeSeconds\?/);
  assert.match(problems[1] ?? "", /list is no setting/);
  assert.match((await problemsOf({}, "/nowhere.yaml"))[0] ?? "", /nowhere.yaml cannot be read \(ENOENT\)/);
});

test("no two settings share a key or a variable, and every default is one that could be written", () => {
  const all = Object.values<Setting<unknown>>(settings);
  assert.equal(new Set(all.map((setting) => setting.key)).size, all.length);
  assert.equal(new Set(all.map((setting) => setting.variable)).size, all.length);
  for (const { key, parse, defaultValue, defaultText, description } of all) {
    assert.match(description, /\.$/, `${key} is described in sentences`);
    if (defaultValue === undefined) continue;
    // As the reference shows it; some defaults are told in words there.
    const [, shown] = /^`(.*)`$/.exec(defaultText) ?? [];
    const isText = typeof defaultValue === "string" || Array.isArray(defaultValue);
    const text = shown ?? (isText ? String(defaultValue) : JSON.stringify(defaultValue));
    assert.deepEqual(parse(text), defaultValue, key);
  }
});

test("a mail server needs a sender and a public address, and never gets a password in clear", async () => {
  const host = { ENTREPOT_SMTP_HOST: "mail.example.org" };
  assert.deepEqual(await problemsOf(host), [
    "smtp.host needs smtp.from, the sender of mails",
    "smtp.host needs publicUrl, where links in mails lead",
  ]);
  const complete = {
    ...host,
    ENTREPOT_SMTP_FROM: "Registry <registry@Example.org>",
    ENTREPOT_PUBLIC_URL: "https://registry.example.org",
  };
  const config = await loadConfig(complete);
  assert.equal(config.smtpFrom, '"Registry" <registry@example.org>');
  assert.equal((await problemsOf({ ...complete, ENTREPOT_SMTP_USER: "x" })).length, 1);
  const inClear = { ENTREPOT_SMTP_USER: "x", ENTREPOT_SMTP_PASSWORD: "y", ENTREPOT_SMTP_TLS: "none" };
  assert.match((await problemsOf({ ...complete, ...inClear }))[0] ?? "", /travel in clear/);
  for (const from of ["nobody", "a@b.org, c@d.org", "X <a@b.org> <c@d.org>", "X <a@b.org\u0000>"]) {
    const problems = await problemsOf({ ...complete, ENTREPOT_SMTP_FROM: from });
    assert.match(problems[0] ?? "", /^ENTREPOT_SMTP_FROM must/, from);
  }
});

test("a read replica is of PostgreSQL", async () => {
  const replica = { ENTREPOT_DATABASE_REPLICA_URL: "postgres://db-replica/entrepot" };
  assert.match((await problemsOf(replica)).join(), /SQLite has no replicas/);
  const primary = { ENTREPOT_DATABASE_URL: "postgres://db/entrepot" };
  const wrong = { ...primary, ENTREPOT_DATABASE_REPLICA_URL: "sqlite:copy.db" };
  assert.match((await problemsOf(wrong)).join(), /begins with postgres/);
  assert.equal(
    (await loadConfig({ ...primary, ...replica })).databaseReplicaUrl,
    "postgres://db-replica/entrepot",
  );
});
