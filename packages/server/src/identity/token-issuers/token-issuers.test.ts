import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { SignJWT } from "jose";
import { systemClock } from "../../lib/clock.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  administrator,
  basic,
  bearer,
  insertRepository,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
} from "../testing/start-identity.ts";
import { libtrustKeyId } from "./libtrust-key-id.ts";

const ada = basic(administrator, password);
const run = promisify(execFile);
const issuerName = "https://auth.example.org";
const pullOfX = [{ type: "repository", name: "acme/x", actions: ["pull"] }];

interface Signer {
  readonly key: KeyObject;
  readonly header: { readonly alg: string; readonly kid?: string; readonly x5c?: string[] };
}

/** A token as docker's own token services make them. */
function sign(
  instance: TestIdentity,
  { key, header }: Signer,
  claims: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const now = Math.floor(instance.clock.nowMs() / 1_000);
  const payload = {
    access: pullOfX,
    iss: issuerName,
    aud: "our-registry",
    sub: "eve",
    nbf: now,
    exp: now + 300,
    ...claims,
  };
  return new SignJWT(payload).setProtectedHeader({ typ: "JWT", ...header }).sign(key);
}

function ecSigner(): Signer & { readonly pem: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = String(publicKey.export({ format: "pem", type: "spki" }));
  return { key: privateKey, header: { alg: "ES256", kid: libtrustKeyId(publicKey) }, pem };
}

async function open(t: TestContext, database: Parameters<typeof startIdentity>[1]): Promise<TestIdentity> {
  const instance = await startIdentity(t, database);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  for (const name of ["acme/x", "acme/y", "other/x"]) await insertRepository(instance, name);
  return instance;
}

async function trust(instance: TestIdentity, more: object): Promise<Response> {
  return sendJson(instance, "POST", "/api/v1/token-issuers", ada, {
    name: "auth",
    issuer: issuerName,
    audience: "our-registry",
    algorithms: ["ES256"],
    patterns: ["acme/**"],
    ...more,
  });
}

async function statusOf(
  instance: TestIdentity,
  token: string,
  path = "/v2/acme/x/probe/pull",
): Promise<number> {
  const reply = await instance.fetch(path, { authorization: bearer(token) });
  await reply.arrayBuffer();
  return reply.status;
}

test("names keys as libtrust does", () => {
  // The key of docker/libtrust's own documentation of the format has this shape; the value is pinned so that it never changes.
  const key = createPublicKey({
    key: {
      kty: "EC",
      crv: "P-256",
      x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
      y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    },
    format: "jwk",
  });
  assert.match(libtrustKeyId(key), /^([A-Z2-7]{4}:){11}[A-Z2-7]{4}$/);
});

eachDatabase((openDatabase) => {
  test("takes a token of a trusted issuer for what it says, as far as the issuer may speak", async (t) => {
    const instance = await open(t, await openDatabase(t));
    const signer = ecSigner();
    const created = await trust(instance, { keys: signer.pem });
    assert.equal(created.status, 201);
    assert.deepEqual(Reflect.get(Object(await created.json()), "keyIds"), [signer.header.kid]);
    const token = await sign(instance, signer);
    assert.equal(await statusOf(instance, token), 204);
    assert.equal(await statusOf(instance, token), 204);
    // Another token of theirs may carry it: 401 and a challenge, not 403.
    assert.equal(await statusOf(instance, token, "/v2/acme/x/probe/push"), 401);
    assert.equal(await statusOf(instance, token, "/v2/acme/y/probe/pull"), 401);
    const greedy = await sign(instance, signer, {
      access: [
        { type: "repository", name: "other/x", actions: ["pull"] },
        { type: "repository", name: "acme/x", actions: ["*", "admin"] },
        { type: "repository", name: "acme/**", actions: ["pull"] },
      ],
    });
    assert.equal(await statusOf(instance, greedy, "/v2/other/x/probe/pull"), 401);
    assert.equal(await statusOf(instance, greedy, "/v2/acme/x/probe/delete"), 204);
    assert.equal(await statusOf(instance, greedy, "/v2/acme/x/probe/admin"), 401);
    assert.equal(await statusOf(instance, greedy, "/v2/acme/y/probe/pull"), 401);
    assert.equal(await statusOf(instance, greedy, "/api/v1/me"), 401);
    assert.equal(await statusOf(instance, greedy, "/api/v1/users"), 403);
    assert.equal(await statusOf(instance, greedy, "/token?scope=repository:acme/x:pull"), 401);
  });

  test("refuses what is not signed as it should be, is for somebody else, too early or too late", async (t) => {
    const instance = await open(t, await openDatabase(t));
    const signer = ecSigner();
    await trust(instance, { keys: signer.pem, clockSkewSeconds: 30 });
    const now = Math.floor(instance.clock.nowMs() / 1_000);
    const { key, header } = signer;
    const other = ecSigner();
    const good = await sign(instance, signer);
    const [head = "", body = "", signature = ""] = good.split(".");
    const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${body}.`;
    const bad = [
      await sign(instance, { key: other.key, header }),
      await sign(instance, other),
      await sign(instance, signer, { aud: "another-registry" }),
      await sign(instance, signer, { exp: now - 31 }),
      await sign(instance, signer, { nbf: now + 31 }),
      await sign(instance, signer, { exp: undefined }),
      await sign(instance, signer, { access: "everything" }),
      await sign(instance, signer, { sub: "eve\u202e" }),
      await sign(instance, {
        key: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
        header: { alg: "RS256" },
      }),
      none,
      `${head}.${body}.${signature.slice(0, -4)}AAAA`,
      `${head}.${body}`,
      "x.y.z",
    ];
    for (const token of bad) assert.equal(await statusOf(instance, token), 401, token);
    assert.equal(await statusOf(instance, good), 204);
    assert.equal(await statusOf(instance, await sign(instance, { key, header }, { exp: now - 20 })), 204);
    instance.clock.move(331_000);
    assert.equal(await statusOf(instance, good), 401);
    assert.doesNotMatch(JSON.stringify(instance.lines), new RegExp(signature.slice(0, 20)));
  });

  test("takes tokens no longer, on both of two instances, when their issuer is removed", async (t) => {
    const url = await openDatabase.url(t);
    const instance = await open(t, await openDatabase(t, { url }));
    const second = await startIdentity(t, await openDatabase(t, { url }), { clock: instance.clock });
    const signer = ecSigner();
    await trust(instance, { keys: signer.pem });
    instance.clock.move(1_000);
    const token = await sign(instance, signer);
    for (const one of [instance, second]) assert.equal(await statusOf(one, token), 204);
    assert.equal((await sendJson(instance, "DELETE", "/api/v1/token-issuers/auth", ada)).status, 204);
    assert.equal(await statusOf(instance, token), 401);
    instance.clock.move(1_000);
    assert.equal(await statusOf(second, token), 401);
  });

  test("finds published keys, again when they change, and not more often than is decent", async (t) => {
    const instance = await open(t, await openDatabase(t));
    const keys: object[] = [];
    let asked = 0;
    const server = createServer((_request, response) => {
      asked += 1;
      response.end(JSON.stringify({ keys }));
    }).listen(0, "127.0.0.1");
    t.after(() => server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo; // as: it listens on TCP
    const make = (kid: string): Signer => {
      const { publicKey, privateKey } = generateKeyPairSync("ed25519");
      keys.push({ ...publicKey.export({ format: "jwk" }), kid });
      return { key: privateKey, header: { alg: "EdDSA", kid } };
    };
    const first = make("one");
    await trust(instance, { algorithms: ["EdDSA"], jwksUrl: `http://127.0.0.1:${port}/jwks` });
    assert.equal(await statusOf(instance, await sign(instance, first)), 204);
    const second = make("two");
    const early = await sign(instance, second);
    for (let request = 0; request < 5; request += 1) assert.equal(await statusOf(instance, early), 401);
    assert.equal(asked, 1);
    instance.clock.move(10_000);
    assert.equal(await statusOf(instance, await sign(instance, second)), 204);
    assert.equal(asked, 2);
  });

  test("takes a chain of certificates that leads to a root, and no other", async (t) => {
    const instance = await open(t, await openDatabase(t));
    // Certificates say when they hold, so the clock must be about right.
    instance.clock.move(systemClock.nowMs() - instance.clock.nowMs() + 60_000);
    const folder = await mkdtemp(join(tmpdir(), "entrepot-x5c-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const openssl = (...args: string[]) => run("openssl", args, { cwd: folder });
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    await openssl(
      "req",
      "-x509",
      ...newKey,
      "-keyout",
      "root.key",
      "-out",
      "root.pem",
      "-subj",
      "/CN=root",
      "-days",
      "2",
    );
    await openssl("req", ...newKey, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf");
    await openssl(
      "x509",
      "-req",
      "-in",
      "leaf.csr",
      "-CA",
      "root.pem",
      "-CAkey",
      "root.key",
      "-out",
      "leaf.pem",
      "-days",
      "1",
    );
    const pem = (name: string) => readFile(join(folder, name), "utf8");
    const der = async (name: string) => (await pem(name)).replaceAll(/-----[^-]+-----|\s/g, "");
    assert.equal((await trust(instance, { rootCertificates: await pem("root.pem") })).status, 201);
    const { createPrivateKey } = await import("node:crypto");
    const leaf = {
      key: createPrivateKey(await pem("leaf.key")),
      header: { alg: "ES256", x5c: [await der("leaf.pem")] },
    };
    assert.equal(await statusOf(instance, await sign(instance, leaf)), 204);
    // Its own root, which nobody trusts.
    await openssl(
      "req",
      "-x509",
      ...newKey,
      "-keyout",
      "own.key",
      "-out",
      "own.pem",
      "-subj",
      "/CN=root",
      "-days",
      "2",
    );
    const own = {
      key: createPrivateKey(await pem("own.key")),
      header: { alg: "ES256", x5c: [await der("own.pem")] },
    };
    assert.equal(await statusOf(instance, await sign(instance, own)), 401);
    // A leaf certifies nobody.
    await openssl("req", ...newKey, "-keyout", "sub.key", "-out", "sub.csr", "-subj", "/CN=sub");
    await openssl(
      "x509",
      "-req",
      "-in",
      "sub.csr",
      "-CA",
      "leaf.pem",
      "-CAkey",
      "leaf.key",
      "-out",
      "sub.pem",
      "-days",
      "1",
    );
    const x5c = [await der("sub.pem"), await der("leaf.pem")];
    const sub = { key: createPrivateKey(await pem("sub.key")), header: { alg: "ES256", x5c } };
    assert.equal(await statusOf(instance, await sign(instance, sub)), 401);
    const later = await sign(instance, leaf, { exp: Math.floor(systemClock.nowMs() / 1_000) + 3 * 86_400 });
    instance.clock.move(86_400_000);
    assert.equal(await statusOf(instance, later), 401, "the certificate has ended");
  });

  test("tells clients where else to get tokens, for the repositories of the issuer only", async (t) => {
    const instance = await open(t, await openDatabase(t));
    await trust(instance, { keys: ecSigner().pem, realm: "https://auth.example.org/token" });
    const challengeOf = async (name: string) => {
      const reply = await instance.fetch(`/v2/${name}/probe/pull`);
      return reply.headers.get("www-authenticate") ?? "";
    };
    assert.match(
      await challengeOf("acme/x"),
      /realm="https:\/\/auth\.example\.org\/token",service="our-registry",scope="repository:acme\/x:pull"/,
    );
    assert.match(
      await challengeOf("other/x"),
      /realm="http:\/\/127\.0\.0\.1:\d+\/token",service="registry\.test"/,
    );
  });

  test("refuses private keys, and issuers that nothing can be verified of", async (t) => {
    const instance = await open(t, await openDatabase(t));
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    for (const more of [
      {},
      { keys: String(privateKey.export({ format: "pem", type: "pkcs8" })) },
      { keys: JSON.stringify({ keys: [privateKey.export({ format: "jwk" })] }) },
      { keys: JSON.stringify({ keys: [{ kty: "oct", k: "c2VjcmV0" }] }) },
      { keys: "nonsense" },
      { keys: ecSigner().pem, algorithms: ["HS256"] },
      { keys: ecSigner().pem, algorithms: ["none"] },
      { jwksUrl: "http://auth.example.org/jwks" },
      { rootCertificates: "nonsense" },
    ]) {
      const reply = await trust(instance, more);
      assert.equal(reply.status, 400, JSON.stringify(more));
    }
    const listed = await instance.fetch("/api/v1/token-issuers", { authorization: ada });
    assert.deepEqual(await listed.json(), { tokenIssuers: [] });
  });
});
