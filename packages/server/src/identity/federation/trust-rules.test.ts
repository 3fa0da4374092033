import assert from "node:assert/strict";
import { test } from "node:test";
import { createSecretBox } from "../../lib/secret-box.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { bearer, field, textField } from "../testing/start-identity.ts";
import { mintCredential } from "./mint-credential.ts";
import { audience, github, rulesOf, startFederation } from "./testing/start-federation.ts";
import { deleteRule, findNamespaceId, findRule, holdRule, lockRule } from "./trust-rule-store.ts";

eachDatabase((open) => {
  test("what was got by a rule ends when the rule is changed or deleted", async (t) => {
    const { house, issuer, rule, exchange } = await startFederation(t, await open(t));
    await house.as("olga", "POST", rulesOf, rule);
    const get = async () =>
      bearer(textField(await (await exchange(await issuer.sign(github))).json(), "access_token"));
    const { name: _, ...values } = rule;
    const first = await get();
    assert.equal((await house.as("olga", "PUT", `${rulesOf}/github`, values)).status, 200);
    assert.deepEqual(await house.rights(first, "acme/app"), []);
    const second = await get();
    assert.deepEqual(await house.rights(second, "acme/app"), ["pull", "push", "delete"]);
    assert.equal((await house.as("olga", "DELETE", `${rulesOf}/github`)).status, 204);
    assert.deepEqual(await house.rights(second, "acme/app"), []);
    assert.equal((await house.as("olga", "DELETE", `${rulesOf}/github`)).status, 404);
    const audited = (await house.audited()).filter((action) => action.startsWith("trust-rule"));
    assert.deepEqual(audited, ["trust-rule.create", "trust-rule.update", "trust-rule.delete"]);
  });

  test("refuses rules that would trust nobody, everybody, or keys that travel in clear", async (t) => {
    const { house, issuer, rule } = await startFederation(t, await open(t));
    const claim = (more: object) => ({ claims: [{ claim: "repository", ...more }] });
    const privateKey = {
      keys: JSON.stringify({ keys: [{ kty: "EC", crv: "P-256", x: "a", y: "b", d: "c" }] }),
    };
    const bad: Record<string, object> = {
      "no claims": { claims: [] },
      "a claim without condition": claim({}),
      "both conditions": claim({ equals: "x", matches: "x" }),
      everything: claim({ matches: "*" }),
      "only the audience": { claims: [{ claim: "aud", equals: audience }] },
      "no audience": { audience: "" },
      "an issuer in clear": { issuer: "http://localhost" },
      "an issuer that is no address": { issuer: "kubernetes/serviceaccount" },
      "keys in clear": { jwksUrl: "http://localhost/keys" },
      "two sources": { jwksUrl: issuer.jwksUrl, keys: JSON.stringify(issuer.keySet()) },
      "a private key": privateKey,
      "no keys": { keys: "{}" },
      "no certificate": { certificateAuthority: "x" },
      "a person": { subject: "olga" },
      nobody: { subject: "nobody" },
      "too long a life": { maxLifetimeSeconds: 3_601 },
      "a pattern that is none": { scopes: [{ repositories: "acme/**/x", actions: ["pull"] }] },
      "a name that is none": { name: "A/b" },
    };
    for (const [what, more] of Object.entries(bad)) {
      assert.equal((await house.as("olga", "POST", rulesOf, { ...rule, ...more })).status, 400, what);
    }
    assert.equal((await house.as("olga", "POST", rulesOf, rule)).status, 201);
    assert.equal((await house.as("olga", "POST", rulesOf, rule)).status, 409);
  });

  test("lists and tests rules for those who administer them, and the registry's own for administrators", async (t) => {
    const { house, issuer, rule, exchange } = await startFederation(t, await open(t));
    for (const name of ["b", "a", "c"]) await house.as("olga", "POST", rulesOf, { ...rule, name });
    const first = await house.as("olga", "GET", `${rulesOf}?n=2`);
    const names = (body: unknown) => (field(body, "rules") as { name: string }[]).map((one) => one.name); // as: the reply's shape
    assert.deepEqual(names(first.body), ["a", "b"]);
    const second = await house.as("olga", "GET", textField(first.body, "next"));
    assert.deepEqual(names(second.body), ["c"]);
    const tell = async (token: string) =>
      (await house.as("olga", "POST", `${rulesOf}/a/tests`, { token })).body;
    assert.deepEqual(await tell(await issuer.sign(github)), {
      isTaken: true,
      why: "it becomes a credential of acme+ci",
    });
    assert.deepEqual(await tell(await issuer.sign({ ...github, ref: "x" })), {
      isTaken: false,
      why: 'its claim "ref" does not match "refs/heads/*"',
    });
    assert.equal((await house.as("oscar", "GET", `${rulesOf}/a`)).status, 403);
    assert.equal((await house.as("olga", "GET", "/api/v1/trust-rules")).status, 403);
    assert.equal((await house.as("ada", "POST", "/api/v1/trust-rules", rule)).status, 201);
    const reply = await exchange(await issuer.sign(github), { rule: "github" });
    assert.equal(field(await reply.json(), "username"), "acme+ci");
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("nothing is got by a rule that is deleted while a token is judged by it", async (t) => {
    const database = await open(t);
    const { house, issuer, rule, exchange } = await startFederation(t, database);
    await house.as("olga", "POST", rulesOf, rule);
    const letGo = await holdTransaction(database, async (tx) => {
      const found = await lockRule(tx, await findNamespaceId(tx, "acme"), "github");
      await deleteRule(tx, found?.id ?? 0);
    });
    const exchanging = exchange(await issuer.sign(github));
    await untilWaiting(database, 1, exchanging);
    await letGo();
    assert.equal((await exchanging).status, 401);
    const kinds = await database.read.selectFrom("access_tokens").select("kind").execute();
    assert.deepEqual(kinds, []);
  });

  test("what is just being got by a rule ends with it, too", async (t) => {
    const database = await open(t);
    const { house, instance, rule } = await startFederation(t, database);
    await house.as("olga", "POST", rulesOf, rule);
    const deps = { clock: instance.clock, secretBox: createSecretBox([Buffer.alloc(32, 1)]) };
    const letGo = await holdTransaction(database, async (tx) => {
      const found = await findRule(tx, await findNamespaceId(tx, "acme"), "github");
      assert.ok(found !== undefined && (await holdRule(tx, found)));
      await mintCredential(tx, deps, found, { scopes: undefined, lifetimeSeconds: 900 });
    });
    const deleting = house.as("olga", "DELETE", `${rulesOf}/github`);
    await untilWaiting(database, 1, deleting);
    await letGo();
    assert.equal((await deleting).status, 204);
    const kinds = await database.read.selectFrom("access_tokens").select("kind").execute();
    assert.deepEqual(kinds, []);
  });
});
