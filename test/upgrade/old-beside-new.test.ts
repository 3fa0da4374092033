import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { openLedger, pushUntil, verifyLedger } from "../support/ledger.ts";
import { contentOf, manifestOf, openSession, randomContent } from "../support/registry-session.ts";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";
import { openTestPostgres } from "../support/test-postgres.ts";
import { missingVersion, unpackVersion } from "./earlier-version.ts";

/** The version before: it has the schema up to 0016. Moved on with each release, to the release before. */
const before = "1583728";
const missing = missingVersion(before);

test("the version before and this one serve one database together while one takes the place of the other", {
  skip: missing ?? false,
}, async (t) => {
  const program = await unpackVersion(t, before);
  const dataDir = await mkdtemp(join(tmpdir(), "entrepot-beside-"));
  const postgres = await openTestPostgres();
  const settings = { ENTREPOT_DATABASE_URL: postgres.url, ENTREPOT_SECRET_KEY: "5c".repeat(32) };
  const old = await startServer({ dataDir, port: await freePort(), settings, program });
  const servers: ServerProcess[] = [old];
  t.after(async () => {
    for (const each of servers) await each.stop("SIGKILL");
    await postgres.dispose();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });
  const atOld = openSession(old.origin, administrator);
  const ledgers = { old: openLedger(), new: openLedger() };
  const over = { old: new AbortController(), new: new AbortController() };
  const pushing = [pushUntil(over.old.signal, atOld, ledgers.old, { pusher: 1, goesOn: true })];
  const account = await makeAccount(old.origin);
  await wait(1_000);

  const acknowledged = ledgers.old.manifests.size;
  const fresh = await startServer({ dataDir, port: await freePort(), settings });
  servers.push(fresh);
  const atNew = openSession(fresh.origin, administrator);
  pushing.push(pushUntil(over.new.signal, atNew, ledgers.new, { pusher: 2, goesOn: true }));
  t.diagnostic(`${acknowledged} manifests by the old one before the other has changed the tables`);

  for (const [name, writer, reader] of [
    ["old to new", atOld, atNew],
    ["new to old", atNew, atOld],
  ] as const) {
    const config = contentOf(Buffer.from("{}"));
    const layer = randomContent(200_000);
    const manifest = manifestOf(config, [layer], name);
    for (const way of ["post", "put", "patch"] as const) {
      assert.equal(await writer.pushBlob("admin/app", config, way), 201, `${name}, ${way}`);
      assert.equal(await writer.pushBlob("admin/app", randomContent(1_000), way), 201, `${name}, ${way}`);
    }
    assert.equal(await writer.pushBlob("admin/app", layer, "patch"), 201);
    assert.equal(await writer.pushManifest("admin/app", "latest", manifest), 201);
    const read = await reader.request("GET", "/v2/admin/app/manifests/latest");
    assert.deepEqual(new Uint8Array(await read.arrayBuffer()), new Uint8Array(manifest.bytes), name);
    const blob = await reader.request("GET", `/v2/admin/app/blobs/${layer.digest}`);
    assert.deepEqual(new Uint8Array(await blob.arrayBuffer()), new Uint8Array(layer.bytes), name);
    assert.equal((await writer.request("DELETE", "/v2/admin/app/manifests/latest")).status, 202);
    assert.equal((await reader.request("HEAD", "/v2/admin/app/manifests/latest")).status, 404, name);
    assert.equal((await writer.request("DELETE", `/v2/admin/app/manifests/${manifest.digest}`)).status, 202);
    const askedAt = performance.now();
    while ((await reader.request("HEAD", `/v2/admin/app/manifests/${manifest.digest}`)).status !== 404) {
      assert.ok(performance.now() - askedAt < 20_000, `${name}: what was deleted is still served`);
      await wait(50);
    }
  }
  // Whoever signs in, and a token of one at the other.
  for (const [issuer, other] of [
    [old, fresh],
    [fresh, old],
  ] as const) {
    const token = await signIn(issuer.origin, account);
    const used = await fetch(`${other.origin}/v2/`, { headers: { authorization: `Bearer ${token}` } });
    await used.body?.cancel();
    assert.equal(used.status, 200);
  }

  await wait(1_000);
  over.old.abort();
  await pushing[0];
  const both = ledgers.old.manifests.size - acknowledged;
  await old.stop("SIGTERM");
  await wait(1_000);
  over.new.abort();
  await Promise.all(pushing);
  for (const ledger of [ledgers.old, ledgers.new]) await verifyLedger(atNew, ledger, 500);
  t.diagnostic(
    `beside each other: ${both} manifests by the old one, ${ledgers.new.manifests.size} by the new one; all there`,
  );
  assert.ok(both > 0 && ledgers.new.manifests.size > 0);
  assert.doesNotMatch(old.output(), /"level":"error"/, "the old one noticed nothing");
  assert.doesNotMatch(fresh.output(), /"level":"error"/);
  await assert.rejects(
    startServer({ dataDir, port: await freePort(), settings, program }),
    /newer version of entrepot/,
    "but it does not start again",
  );
});

interface Account {
  readonly username: string;
  readonly password: string;
}

async function makeAccount(origin: string): Promise<Account> {
  const account = { username: "ada", password: "correct horse battery staple" };
  const made = await fetch(`${origin}/api/v1/users`, {
    method: "POST",
    headers: { authorization: basic(administrator), "content-type": "application/json" },
    body: JSON.stringify(account),
  });
  assert.equal(made.status, 201, await made.text());
  return account;
}

async function signIn(origin: string, account: Account): Promise<string> {
  const reply = await fetch(`${origin}/token?service=entrepot&scope=repository:ada/app:pull`, {
    headers: { authorization: basic(account) },
  });
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  return /"token":"([^"]+)"/.exec(text)?.[1] ?? "";
}

function basic({ username, password }: Account): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
