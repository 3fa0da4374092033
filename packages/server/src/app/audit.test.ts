import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isObject } from "@entrepot/oci/json-object";
import { loadConfig } from "../config/load-config.ts";
import { silentLog } from "../lib/log.ts";
import { openDatabase } from "../storage/database/open-database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { createInstance } from "./create-instance.ts";

const password = "correct-horse-battery";
const wrong = "wrong-horse-battery";
const config = '{"empty":true}';

interface Served {
  fetch(who: string, method: string, path: string, init?: RequestInit): Promise<Response>;
  json(who: string, method: string, path: string, body?: object): Promise<Readonly<Record<string, unknown>>>;
  close(): Promise<void>;
}

async function serve(
  t: TestContext,
  url: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-audit-"));
  const instance = await createInstance(
    await loadConfig({
      ENTREPOT_HOST: "127.0.0.1",
      ENTREPOT_PORT: "0",
      ENTREPOT_DATA_DIR: folder,
      ENTREPOT_DATABASE_URL: url,
      ENTREPOT_ADMIN_PASSWORD: password,
      ENTREPOT_SECRET_KEY: "ab".repeat(32),
      ...settings,
    }),
    silentLog,
  );
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= instance.close();
    return closing;
  };
  t.after(async () => {
    await close();
    await rm(folder, { recursive: true, force: true });
  });
  const send: Served["fetch"] = (who, method, path, init = {}) => {
    const headers = new Headers(init.headers);
    const secret = who.startsWith("!") ? wrong : password;
    if (who !== "") {
      const name = who.replace("!", "");
      headers.set("authorization", `Basic ${Buffer.from(`${name}:${secret}`).toString("base64")}`);
    }
    return fetch(`http://127.0.0.1:${instance.port}${path}`, { ...init, method, headers });
  };
  return {
    fetch: send,
    close,
    async json(who, method, path, body) {
      const headers = { "content-type": "application/json" };
      const init = body === undefined ? {} : { headers, body: JSON.stringify(body) };
      const reply = await send(who, method, path, init);
      const text = await reply.text();
      const value: unknown = text === "" ? {} : JSON.parse(text);
      assert.ok(reply.status < 300 && isObject(value), `${method} ${path}: ${reply.status} ${text}`);
      return value;
    },
  };
}

const digestOf = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

async function push(served: Served, repository: string): Promise<string> {
  const blob = `/v2/${repository}/blobs/uploads/?digest=${digestOf(config)}`;
  const octets = { headers: { "content-type": "application/octet-stream" }, body: config };
  assert.equal((await served.fetch("admin", "POST", blob, octets)).status, 201);
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const descriptor = { mediaType: "application/json", size: config.length, digest: digestOf(config) };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers: [] });
  const init = { headers: { "content-type": mediaType }, body: manifest };
  assert.equal((await served.fetch("admin", "PUT", `/v2/${repository}/manifests/1`, init)).status, 201);
  return digestOf(manifest);
}

/** Everything that is written, with what still waits. */
async function written(served: Served, url: string) {
  await served.close();
  const database = await openDatabase({ url, poolSize: 1, acquireTimeoutMs: 20_000, log: silentLog });
  try {
    return await database.read.selectFrom("audit_entries").selectAll().orderBy("id").execute();
  } finally {
    await database.close();
  }
}

eachDatabase((open) => {
  test("writes down changes, pulls, refusals, sign-ins and tokens, with who and from where, and no secret", async (t) => {
    const url = await open.url(t, "empty");
    const served = await serve(t, url);
    await served.json("admin", "POST", "/api/v1/users", { username: "bob", password });
    const digest = await push(served, "acme/app");
    await served.fetch("admin", "GET", "/v2/acme/app/manifests/1", {
      headers: { "user-agent": "docker/28" },
    });
    await served.fetch("admin", "HEAD", "/v2/acme/app/manifests/1");
    await served.fetch("", "GET", "/v2/acme/app/manifests/1");
    assert.equal((await served.fetch("bob", "GET", "/v2/acme/app/manifests/1")).status, 403);
    assert.equal((await served.fetch("!bob", "GET", "/v2/")).status, 401);
    assert.equal((await served.fetch("Pa55word As Name", "GET", "/v2/")).status, 401);
    await served.json("bob", "GET", "/token?service=entrepot&scope=repository:acme/app:pull");
    const form = new URLSearchParams({ grant_type: "password", username: "bob", password: wrong });
    assert.equal((await served.fetch("", "POST", "/token", { body: form })).status, 401);
    await served.json("admin", "PATCH", "/api/v1/repositories/acme/app", { visibility: "public" });
    await served.fetch("", "GET", "/v2/acme/app/manifests/1");
    await served.json("admin", "PATCH", "/api/v1/users/bob", { password: `${password}2` });
    await served.json("admin", "POST", "/api/v1/garbage-collection/runs", { dryRun: false });
    await served.fetch("admin", "DELETE", `/v2/acme/app/manifests/${digest}`);
    await served.json("admin", "DELETE", "/api/v1/repositories/acme/app");
    await served.json("admin", "DELETE", "/api/v1/users/bob");
    const entries = await written(served, url);
    const shown = entries.map((entry) => `${entry.action} ${entry.outcome} ${entry.actor}`);
    for (const expected of [
      "user.create succeeded registry",
      "user.create succeeded admin",
      "repository.create succeeded admin",
      "manifest.push succeeded admin",
      "manifest.pull succeeded admin",
      "manifest.pull succeeded anonymous",
      "manifests.get denied bob",
      "sign-in succeeded admin",
      "sign-in denied anonymous",
      "token.issue denied bob",
      "repository.update succeeded admin",
      "user.update succeeded admin",
      "garbage-collection.run succeeded admin",
      "manifest.delete succeeded admin",
      "repository.delete succeeded admin",
      "user.delete succeeded admin",
    ]) {
      assert.ok(shown.includes(expected), `${expected} in ${JSON.stringify(shown)}`);
    }
    const pulls = entries.filter(({ action }) => action === "manifest.pull");
    assert.equal(pulls.length, 2, "not the HEAD, not what was refused");
    const [pull] = pulls;
    assert.deepEqual(
      [pull?.repository, pull?.namespace, pull?.target, pull?.user_agent, pull?.credential],
      ["acme/app", "acme", "acme/app:1", "docker/28", "password"],
    );
    assert.match(pull?.address ?? "", /127\.0\.0\.1/);
    assert.equal(JSON.parse(pull?.detail ?? "{}").digest, digest);
    const refusals = entries.filter(({ action, outcome }) => action === "sign-in" && outcome === "denied");
    assert.deepEqual(
      refusals.map(({ target }) => target),
      ["user bob", "user bob"],
      "nothing of what is no name",
    );
    // But for the signatures of anchors, in which any three letters may come one after the other.
    const everything = JSON.stringify(entries.filter(({ action }) => action !== "audit.anchor"));
    for (const secret of [password, wrong, "Pa55word", "Basic ", "eyJ", "argon2"]) {
      assert.equal(everything.includes(secret), false, `no ${secret}`);
    }
    assert.equal(
      entries.every(({ sequence, hash }) => sequence !== null && hash !== null),
      true,
      "sealed at the end",
    );
  });

  test("the repeats of a pull are one entry with their number", async (t) => {
    const url = await open.url(t, "empty");
    const served = await serve(t, url);
    const digest = await push(served, "acme/app");
    for (const reference of ["1", "1", "1", digest]) {
      await served.fetch("admin", "GET", `/v2/acme/app/manifests/${reference}`);
    }
    const pulls = (await written(served, url)).filter(({ action }) => action === "manifest.pull");
    assert.deepEqual(
      pulls.map(({ target, detail }) => [target, JSON.parse(detail ?? "{}").count ?? 1]),
      [
        ["acme/app:1", 1],
        [`acme/app@${digest}`, 1],
        ["acme/app:1", 2],
      ],
    );
  });

  test("pulls can be sampled or off, refusals off, and a flood of refusals is counted", async (t) => {
    const url = await open.url(t, "empty");
    const served = await serve(t, url, {
      ENTREPOT_AUDIT_PULLS: "sampled",
      ENTREPOT_AUDIT_PULLS_ONE_IN: "3",
      ENTREPOT_AUDIT_PULLS_WINDOW_SECONDS: "0",
    });
    await push(served, "acme/app");
    for (let index = 0; index < 6; index += 1) await served.fetch("admin", "GET", "/v2/acme/app/manifests/1");
    await served.json("admin", "POST", "/api/v1/users", { username: "bob", password });
    for (let index = 0; index < 120; index += 1) await served.fetch("bob", "GET", "/api/v1/users");
    const entries = await written(served, url);
    const count = (wanted: string) => entries.filter(({ action }) => action === wanted).length;
    assert.equal(count("manifest.pull"), 2);
    assert.equal(count("users.list"), 100);
    const quiet = await serve(t, url, { ENTREPOT_AUDIT_PULLS: "off", ENTREPOT_AUDIT_DENIALS: "off" });
    await quiet.fetch("admin", "GET", "/v2/acme/app/manifests/1");
    await quiet.fetch("bob", "GET", "/api/v1/users");
    const after = await written(quiet, url);
    assert.equal(after.filter(({ action }) => action === "manifest.pull").length, 2);
    assert.equal(after.filter(({ action }) => action === "users.list").length, 100);
  });

  test("shows each reader their part, by pages, with filters, and exports all", async (t) => {
    const url = await open.url(t, "empty");
    const served = await serve(t, url);
    for (const username of ["bob", "carol"]) {
      await served.json("admin", "POST", "/api/v1/users", { username, password });
    }
    await push(served, "bob/app");
    await push(served, "acme/app");
    await served.json("admin", "PATCH", "/api/v1/users/carol", { isAuditor: true });
    const names = async (who: string, path: string) => {
      const found: string[] = [];
      let next: unknown = path;
      while (typeof next === "string") {
        const page = await served.json(who, "GET", next);
        const entries = page["entries"];
        assert.ok(Array.isArray(entries));
        found.push(
          ...entries.map((entry: { action: string; target: string }) => `${entry.action} ${entry.target}`),
        );
        next = page["next"];
      }
      return found;
    };
    // Of users only: anchors and sign-ins are written a moment later.
    const users = await names("carol", "/api/v1/audit?action=user.*");
    const made = ["user.create user carol", "user.create user bob", "user.create user admin"];
    assert.deepEqual(users, ["user.update user carol", ...made]);
    assert.deepEqual(await names("carol", "/api/v1/audit?n=2&action=user.*"), users);
    assert.equal((await served.fetch("bob", "GET", "/api/v1/audit")).status, 403);
    assert.equal((await served.fetch("bob", "GET", "/api/v1/audit/export")).status, 403);
    assert.equal((await served.fetch("bob", "GET", "/api/v1/audit/verification")).status, 403);
    assert.equal((await served.fetch("bob", "GET", "/api/v1/organizations/acme/audit")).status, 403);
    const own = await names("bob", "/api/v1/organizations/bob/audit?outcome=succeeded");
    assert.equal(
      own.every((line) => line.includes("bob")),
      true,
      JSON.stringify(own),
    );
    assert.equal(
      own.some((line) => line.startsWith("manifest.push")),
      true,
    );
    const repository = await names("bob", "/api/v1/repositories/bob/app/-/audit?action=manifest.*");
    assert.deepEqual(repository.length, 1);
    // Whatever they ask for, they see their own place.
    assert.deepEqual(
      await names("bob", "/api/v1/organizations/bob/audit?outcome=succeeded&namespace=acme"),
      own,
    );
    assert.equal((await served.fetch("carol", "GET", "/api/v1/audit?colour=red")).status, 400);
    assert.equal((await served.fetch("carol", "GET", "/api/v1/audit?from=yesterday")).status, 400);
    const exported = await (await served.fetch("carol", "GET", "/api/v1/audit/export?actor=admin")).text();
    const lines = exported
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    assert.equal(
      lines.every((line) => isObject(line) && line["actor"] === "admin"),
      true,
    );
    const cef = await (
      await served.fetch("carol", "GET", "/api/v1/audit/export?format=cef&action=manifest.push")
    ).text();
    assert.match(
      cef,
      /^CEF:0\|Entrepot\|entrepot\|[^|]+\|manifest\.push\|manifest\.push\|3\|rt=\d+ .*suser=admin /,
    );
    const verified = await served.json("carol", "GET", "/api/v1/audit/verification");
    assert.equal(verified["isIntact"], true);
    // No way to change anything: nothing but GET is there.
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      assert.equal((await served.fetch("admin", method, "/api/v1/audit")).status, 405, method);
    }
    await served.close();
  });
});
