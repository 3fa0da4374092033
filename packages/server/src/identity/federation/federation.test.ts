import assert from "node:assert/strict";
import { test } from "node:test";
import { SignJWT, UnsecuredJWT } from "jose";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { basic, bearer, field, getToken, textField } from "../testing/start-identity.ts";
import { startIssuer } from "./testing/oidc-issuer.ts";
import { audience, github, rulesOf, startFederation } from "./testing/start-federation.ts";

async function audit(database: Database) {
  const rows = await database.read
    .selectFrom("audit_entries")
    .select(["outcome", "namespace", "detail"])
    .where("action", "=", "federation.exchange")
    .orderBy("id")
    .execute();
  return rows.map((row) => ({ ...row, detail: JSON.parse(row.detail ?? "{}") as Record<string, unknown> }));
}

eachDatabase((open) => {
  test("a job's token becomes a short-lived credential of the robot, for docker and as a bearer", async (t) => {
    const database = await open(t);
    const { house, instance, issuer, rule, exchange } = await startFederation(t, database);
    assert.equal((await house.as("olga", "POST", rulesOf, rule)).status, 201);
    const token = await issuer.sign(github);
    const reply = await exchange(token);
    const given: unknown = await reply.json();
    assert.equal(reply.status, 200, JSON.stringify(given));
    assert.equal(reply.headers.get("cache-control"), "no-store");
    assert.equal(field(given, "username"), "acme+ci");
    assert.equal(field(given, "token_type"), "Bearer");
    assert.equal(field(given, "expires_in"), 900);
    const secret = textField(given, "access_token");
    assert.deepEqual(await house.rights(bearer(secret), "acme/app"), ["pull", "push", "delete"]);
    const scope = "repository:acme/app:pull,push";
    const docker = await getToken(instance, scope, basic("acme+ci", secret));
    assert.deepEqual(await house.rights(bearer(docker), "acme/app"), ["pull", "push"]);

    const [entry] = await audit(database);
    assert.deepEqual([entry?.outcome, entry?.namespace], ["succeeded", "acme"]);
    assert.equal(entry?.detail["issuer"], issuer.issuer);
    assert.equal(entry?.detail["subject"], github.sub);
    assert.equal(entry?.detail["rule"], "acme/github");
    const kept = JSON.stringify(instance.lines) + JSON.stringify(await audit(database));
    for (const secretText of [token, secret]) assert.equal(kept.includes(secretText), false);

    instance.clock.move(900_000);
    assert.deepEqual(await house.rights(bearer(secret), "acme/app"), []);
  });

  test("refuses alike whatever is not as the rule says", async (t) => {
    const database = await open(t);
    const { house, instance, issuer, rule, exchange } = await startFederation(t, database);
    await house.as("olga", "POST", rulesOf, { ...rule, name: "off", isDisabled: true });
    await house.as("olga", "POST", rulesOf, rule);
    const now = Math.floor(instance.clock.nowMs() / 1_000);
    const stranger = await startIssuer(t, instance.clock);
    const sign = (claims: Record<string, unknown>, header = {}) =>
      issuer.sign({ ...github, ...claims }, header);
    const shared = new SignJWT({ ...github, iss: issuer.issuer, iat: now, exp: now + 300 });
    const good = await sign({});
    const [head, body, signature] = good.split(".");
    const other = (await sign({ repository: "octo/other" })).split(".");
    const refused: Record<string, string> = {
      "another audience": await sign({ aud: "https://elsewhere.example.org" }),
      "no audience": await sign({ aud: undefined }),
      "another issuer": await sign({ iss: "https://token.evil.test" }),
      "the rule's issuer, signed by a stranger": await stranger.sign({ ...github, iss: issuer.issuer }),
      expired: await sign({ iat: now - 600, exp: now - 61 }),
      "not yet": await sign({ nbf: now + 61 }),
      "from the future": await sign({ iat: now + 61, exp: now + 400 }),
      "no end": await sign({ exp: undefined }),
      "no beginning": await sign({ iat: undefined }),
      "lives too long": await sign({ exp: now + 2 * 86_400 }),
      "another repository": await sign({ repository: "octo/app-evil" }),
      "another ref": await sign({ ref: "refs/tags/v1" }),
      "no such claim": await sign({ repository: undefined }),
      "a claim that is an object": await sign({ repository: { "octo/app": true } }),
      "a token of another type": await sign({}, { typ: "logout+jwt" }),
      "a key nobody has": await sign({}, { kid: "nobody" }),
      unsigned: new UnsecuredJWT({ ...github, iss: issuer.issuer }).encode(),
      "a shared secret": await shared
        .setProtectedHeader({ alg: "HS256", kid: "shared" })
        .sign(Buffer.from("secret".padEnd(32, "\0"))),
      "a signature of another token": `${head}.${body}.${other[2]}`,
      "claims of another token": `${head}.${other[1]}.${signature}`,
      "no signature": `${head}.${body}.`,
      "no token": "nonsense",
      "not even that": "a.b.c",
      NUL: "a\0b",
    };
    const answers = new Set<string>();
    for (const [what, token] of Object.entries(refused)) {
      const reply = await exchange(token);
      assert.equal(reply.status, 401, what);
      const { requestId: _, ...problem } = (await reply.json()) as Record<string, unknown>;
      answers.add(JSON.stringify(problem).replace(/request-\d+/g, ""));
    }
    for (const name of ["acme/nothing", "nobody/github", "github", "evil/github", "acme/off", "acme/\0"]) {
      const reply = await exchange(good, { rule: name });
      assert.equal(reply.status, 401, name);
      const { requestId: _, ...problem } = (await reply.json()) as Record<string, unknown>;
      answers.add(JSON.stringify(problem).replace(/request-\d+/g, ""));
    }
    assert.equal(answers.size, 1, [...answers].join("\n"));
    const entries = await audit(database);
    assert.equal(entries.length, Object.keys(refused).length + 6);
    assert.ok(entries.every((entry) => entry.outcome === "denied"));
    assert.match(String(entries[0]?.detail["why"]), /another audience/);
    assert.equal((await database.read.selectFrom("access_tokens").selectAll().execute()).length, 0);
    assert.equal((await exchange(good)).status, 200, "the good one is good");
  });

  test("takes clocks that are a minute off, several audiences, and lists in claims", async (t) => {
    const { house, instance, issuer, rule, exchange } = await startFederation(t, await open(t));
    await house.as("olga", "POST", rulesOf, rule);
    const now = Math.floor(instance.clock.nowMs() / 1_000);
    const taken = {
      late: { iat: now - 300, exp: now - 59 },
      early: { nbf: now + 59, iat: now + 59 },
      "two audiences": { aud: ["elsewhere", audience] },
      "a list": { ref: ["refs/tags/x", "refs/heads/main"] },
      "no nbf": { nbf: undefined },
    };
    for (const [what, claims] of Object.entries(taken)) {
      assert.equal((await exchange(await issuer.sign({ ...github, ...claims }))).status, 200, what);
    }
  });

  test("a rule of one organization gives nothing of another's, though the issuer is the same", async (t) => {
    const { house, issuer, rule, exchange } = await startFederation(t, await open(t));
    await house.as("olga", "POST", rulesOf, rule);
    const evil = { ...rule, subject: "evil+ci", claims: [{ claim: "repository", equals: "evil/evil" }] };
    const evilRules = "/api/v1/organizations/evil/trust-rules";
    assert.equal((await house.as("oscar", "POST", evilRules, evil)).status, 201);
    assert.equal(
      (await house.as("oscar", "POST", evilRules, { ...evil, name: "x", subject: "acme+ci" })).status,
      400,
    );
    assert.equal((await house.as("oscar", "POST", rulesOf, { ...rule, name: "x" })).status, 403);
    const token = await issuer.sign({ ...github, repository: "evil/evil" });
    assert.equal((await exchange(token)).status, 401, "subject of one rule, claims of the other");
    const own = await exchange(token, { rule: "evil/github" });
    assert.equal(field(await own.json(), "username"), "evil+ci");
  });

  test("gives no more than the rule's scopes, and less when less is asked for", async (t) => {
    const { house, issuer, rule, exchange } = await startFederation(t, await open(t));
    const scopes = [{ repositories: "acme/app", actions: ["pull", "push"] }];
    await house.as("olga", "POST", rulesOf, { ...rule, scopes, maxLifetimeSeconds: 60 });
    const token = await issuer.sign(github);
    const all: unknown = await (await exchange(token)).json();
    assert.deepEqual([field(all, "expires_in"), field(all, "scope")], [60, "repository:acme/app:pull,push"]);
    const secret = textField(all, "access_token");
    assert.deepEqual(await house.rights(bearer(secret), "acme/app"), ["pull", "push"]);
    assert.deepEqual(await house.rights(bearer(secret), "acme/other"), []);
    const less = await exchange(token, {
      scope: "repository:acme/app:pull,delete repository:acme/other:pull",
    });
    const lesser = textField(await less.json(), "access_token");
    assert.deepEqual(await house.rights(bearer(lesser), "acme/app"), ["pull"]);
    for (const scope of ["repository:acme/other:pull", "repository:acme/app:delete", "registry:catalog:*"]) {
      assert.equal((await exchange(token, { scope })).status, 403, scope);
    }
    assert.equal((await exchange(token, { audience: "another" })).status, 400);
    assert.equal((await exchange(token, { subject_token_type: "saml" })).status, 400);
  });

  test("follows a change of keys at once, keeps working while the issuer is away, and is not made to ask without end", async (t) => {
    const { house, instance, issuer, rule, exchange } = await startFederation(t, await open(t));
    await house.as("olga", "POST", rulesOf, rule);
    const asked = () => issuer.asked.get("/keys") ?? 0;
    const before = await issuer.sign(github);
    await Promise.all([exchange(before), exchange(before), exchange(before)]);
    assert.equal(asked(), 1, "several share one request, and the next needs none");
    await issuer.rotate("ES256");
    instance.clock.move(30_000);
    assert.equal((await exchange(await issuer.sign(github))).status, 200);
    assert.equal((await exchange(before)).status, 401, "the old key is withdrawn");
    assert.equal(asked(), 2);
    for (let count = 0; count < 20; count += 1) {
      assert.equal((await exchange(await issuer.sign(github, { kid: `made-up-${count}` }))).status, 401);
    }
    assert.equal(asked(), 2);

    for (const algorithm of ["PS256", "EdDSA", "ES384"]) {
      await issuer.rotate(algorithm);
      instance.clock.move(30_000);
      assert.equal((await exchange(await issuer.sign(github))).status, 200, algorithm);
    }
    const last = await issuer.sign({ ...github, exp: Math.floor(instance.clock.nowMs() / 1_000) + 86_000 });
    await issuer.stop();
    instance.clock.move(1_800_000);
    assert.equal((await exchange(last)).status, 200, "the keys of the last hour");
    instance.clock.move(1_800_000);
    assert.equal((await exchange(last)).status, 503);
  });

  test("trusts no discovery that speaks for another issuer, and no server that the rule's authority does not vouch for", async (t) => {
    const { house, issuer, rule, exchange } = await startFederation(t, await open(t));
    await house.as("olga", "POST", rulesOf, rule);
    issuer.discovery = { issuer: "https://elsewhere.test", jwks_uri: issuer.jwksUrl };
    assert.equal((await exchange(await issuer.sign(github))).status, 503);
    const { certificateAuthority: _, ...usual } = rule;
    await house.as("olga", "POST", rulesOf, { ...usual, name: "usual", jwksUrl: issuer.jwksUrl });
    assert.equal((await exchange(await issuer.sign(github), { rule: "acme/usual" })).status, 503);
    await house.as("olga", "POST", rulesOf, { ...rule, name: "direct", jwksUrl: issuer.jwksUrl });
    assert.equal((await exchange(await issuer.sign(github), { rule: "acme/direct" })).status, 200);
  });

  test("a cluster's tokens are taken by keys that were given, claims inside others included", async (t) => {
    const { house, issuer, rule, exchange } = await startFederation(t, await open(t));
    const cluster = {
      ...rule,
      name: "cluster",
      issuer: "kubernetes/serviceaccount",
      keys: JSON.stringify(issuer.keySet()),
      claims: [
        { claim: "/kubernetes.io/namespace", equals: "build" },
        { claim: "/kubernetes.io/serviceaccount/name", matches: "build*" },
      ],
    };
    assert.equal((await house.as("olga", "POST", rulesOf, cluster)).status, 201);
    const account = (namespace: string, name: string) =>
      issuer.sign({
        iss: "kubernetes/serviceaccount",
        aud: [audience],
        sub: `system:serviceaccount:${namespace}:${name}`,
        "kubernetes.io": { namespace, serviceaccount: { name, uid: "1" } },
      });
    const by = { rule: "acme/cluster" };
    assert.equal((await exchange(await account("build", "builder"), by)).status, 200);
    assert.equal((await exchange(await account("prod", "builder"), by)).status, 401);
    assert.equal((await exchange(await account("build", "x-builder"), by)).status, 401);
    assert.deepEqual([...issuer.asked], [], "nobody was asked");
  });

  test("a one-time rule takes each token once, also when several come at once", async (t) => {
    const { house, issuer, rule, exchange } = await startFederation(t, await open(t));
    await house.as("olga", "POST", rulesOf, { ...rule, isOneTime: true });
    const token = await issuer.sign(github);
    const statuses = (await Promise.all([exchange(token), exchange(token), exchange(token)])).map(
      (r) => r.status,
    );
    assert.deepEqual(
      statuses.sort((left, right) => left - right),
      [200, 401, 401],
    );
    assert.equal((await exchange(await issuer.sign({ ...github, jti: "two" }))).status, 200);
    assert.equal((await exchange(await issuer.sign({ ...github, jti: undefined }))).status, 401); // as: JSON drops it
  });

  test("slows down a network whose tokens are refused again and again", async (t) => {
    const { house, issuer, rule, exchange, instance } = await startFederation(t, await open(t));
    await house.as("olga", "POST", rulesOf, rule);
    for (let count = 0; count < 100; count += 1) await exchange("nonsense");
    assert.equal((await exchange(await issuer.sign(github))).status, 429);
    instance.clock.move(60_000);
    assert.equal((await exchange(await issuer.sign(github))).status, 200);
  });
});
