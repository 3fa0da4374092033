import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import type { Clock } from "../../../lib/clock.ts";

/** What signs tokens in a CI system or cluster, behind https, with discovery. */
export interface TestIssuer {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** PEM; nobody else vouches for the address. */
  readonly certificateAuthority: string;
  /** How often each path was asked for. */
  readonly asked: Map<string, number>;
  /** What the discovery document says, where it should lie. */
  discovery: Record<string, unknown>;
  /** Another key from now on; the old one is listed no longer. */
  rotate(algorithm?: string): Promise<void>;
  /** A token with these claims (undefined = without) beside fresh iat, nbf and exp, signed with the present key. */
  sign(claims: Readonly<Record<string, unknown>>, header?: Record<string, unknown>): Promise<string>;
  /** The present key set. */
  keySet(): { readonly keys: readonly JWK[] };
  stop(): Promise<void>;
}

/** Starts it on this machine; stopped when the test ends. */
export async function startIssuer(t: TestContext, clock: Clock): Promise<TestIssuer> {
  const { certificate, key } = await newCertificate(t);
  const asked = new Map<string, number>();
  let signing = await newKey("RS256");
  const self: { discovery: Record<string, unknown> } = { discovery: {} };
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const path = request.url ?? "";
    asked.set(path, (asked.get(path) ?? 0) + 1);
    const documents: Record<string, unknown> = {
      "/.well-known/openid-configuration": self.discovery,
      "/keys": { keys: [signing.jwk, { kty: "oct", k: "c2VjcmV0", kid: "shared" }] },
    };
    const document = documents[path];
    response.statusCode = document === undefined ? 404 : 200;
    response.end(JSON.stringify(document ?? {}));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // as: a TCP server that listens
  const issuer = `https://localhost:${port}`;
  self.discovery = { issuer, jwks_uri: `${issuer}/keys` };
  const stop = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return Object.assign(self, {
    issuer,
    jwksUrl: `${issuer}/keys`,
    certificateAuthority: certificate,
    asked,
    stop,
    keySet: () => ({ keys: [signing.jwk] }),
    async rotate(algorithm = "RS256") {
      signing = await newKey(algorithm);
    },
    async sign(claims: Readonly<Record<string, unknown>>, header: Record<string, unknown> = {}) {
      const now = Math.floor(clock.nowMs() / 1_000);
      return new SignJWT({ iss: issuer, iat: now, nbf: now, exp: now + 300, ...claims })
        .setProtectedHeader({ alg: signing.algorithm, kid: signing.kid, typ: "JWT", ...header })
        .sign(signing.privateKey);
    },
  });
}

let keys = 0;

async function newKey(algorithm: string) {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  keys += 1;
  const kid = `key-${keys}`;
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid, use: "sig", alg: algorithm };
  return { algorithm, privateKey, kid, jwk };
}

async function newCertificate(
  t: TestContext,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-issuer-"));
  t.after(() => rm(folder, { recursive: true }));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const run = promisify(execFile);
  await run("openssl", ["req", "-x509", "-nodes", ...curve, ...subject, "-keyout", key, "-out", certificate]);
  return { certificate: await readFile(certificate, "utf8"), key: await readFile(key, "utf8") };
}
