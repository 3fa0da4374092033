import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import type { JWK } from "jose";
import { AppError } from "../../lib/app-error.ts";

const maxKeys = 50;
const maxChain = 5;
const publicMembers = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"] as const;

/** The public keys in PEM (keys or certificates) or in a JWKS. `REQUEST_INVALID` for what is none; a private key is refused, not stored. */
export function readPublicKeys(text: string): readonly JWK[] {
  if (text.includes("PRIVATE KEY")) throw invalid("there is a private key among the keys; give public ones");
  const keys = text.trimStart().startsWith("{") ? readJwks(text) : blocksOf(text).map(toJwk);
  if (keys.length === 0 || keys.length > maxKeys) throw invalid(`give 1 to ${maxKeys} keys`);
  return keys;
}

/** The keys of a JWKS that can verify signatures. `REQUEST_INVALID` when it is none, or has private or secret keys. */
export function readJwks(text: string): readonly JWK[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid("the keys are neither PEM nor JSON", cause);
  }
  const keys: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "keys") : undefined;
  if (!Array.isArray(keys) || keys.length > maxKeys) throw invalid("the keys are no JWKS");
  return keys.flatMap((key: unknown) => {
    if (typeof key !== "object" || key === null) throw invalid("a key of the JWKS is no object");
    if ("d" in key || "k" in key) throw invalid("there is a private key in the JWKS");
    const members = publicMembers.flatMap((name) => {
      const member: unknown = Reflect.get(key, name);
      return typeof member === "string" ? [[name, member] as const] : [];
    });
    const jwk: JWK = Object.fromEntries(members);
    return jwk.use === "enc" || toKey(jwk) === undefined ? [] : [jwk];
  });
}

/** Undefined for what is no key that we know how to use. */
export function toKey(jwk: JWK): KeyObject | undefined {
  try {
    return createPublicKey({ key: { ...jwk }, format: "jwk" });
  } catch {
    return undefined;
  }
}

function blocksOf(pem: string): readonly string[] {
  return pem.match(/-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g) ?? [];
}

function toJwk(pem: string): JWK {
  try {
    return createPublicKey(pem).export({ format: "jwk" });
  } catch (cause) {
    throw invalid("a PEM block is no public key and no certificate", cause);
  }
}

/** Certificates in PEM. `REQUEST_INVALID` when there are none. */
export function readCertificates(pem: string): readonly X509Certificate[] {
  try {
    const found = blocksOf(pem).map((block) => new X509Certificate(block));
    if (found.length > 0 && found.length <= maxKeys) return found;
  } catch (cause) {
    throw invalid("a root certificate cannot be read", cause);
  }
  throw invalid("there is no certificate in the root certificates");
}

/**
 * The key of the first certificate of an `x5c` chain (RFC 7515, 4.1.6) that leads to one of the roots now; undefined when it does not: a link is missing,
 * out of date, or may not certify others.
 */
export function keyOfChain(
  x5c: readonly string[],
  roots: readonly X509Certificate[],
  nowMs: number,
): KeyObject | undefined {
  if (x5c.length === 0 || x5c.length > maxChain) return undefined;
  let chain: readonly X509Certificate[];
  try {
    chain = x5c.map((der) => new X509Certificate(Buffer.from(der, "base64")));
  } catch {
    return undefined;
  }
  const isValid = (certificate: X509Certificate) =>
    certificate.validFromDate.getTime() <= nowMs && nowMs < certificate.validToDate.getTime();
  const isIssuedBy = (child: X509Certificate, parent: X509Certificate) =>
    parent.ca && child.checkIssued(parent) && child.verify(parent.publicKey);
  for (const [index, certificate] of chain.entries()) {
    if (!isValid(certificate)) return undefined;
    const root = roots.find(
      (one) => isValid(one) && (one.raw.equals(certificate.raw) || isIssuedBy(certificate, one)),
    );
    if (root !== undefined) return chain[0]?.publicKey;
    const next = chain[index + 1];
    if (next === undefined || !isIssuedBy(certificate, next)) return undefined;
  }
  return undefined;
}

function invalid(sentence: string, cause?: unknown): AppError {
  return new AppError("REQUEST_INVALID", sentence, { cause });
}
