import { createPublicKey } from "node:crypto";
import { isObject } from "@entrepot/oci/json-object";
import type { JWK } from "jose";
import { AppError } from "../../lib/app-error.ts";

const maxKeys = 50;
const keyTypes: readonly unknown[] = ["RSA", "EC", "OKP"];

/** The public keys of a JSON Web Key Set that can have signed something; undefined when it is none. Others in it are passed over. */
export function readKeySet(json: unknown): readonly JWK[] | undefined {
  const keys = isObject(json) ? json["keys"] : undefined;
  if (!Array.isArray(keys)) return undefined;
  return keys
    .filter(isObject)
    .filter((key) => keyTypes.includes(key["kty"]) && key["use"] !== "enc")
    .slice(0, maxKeys)
    .map(publicPart);
}

/**
 * The keys that somebody typed in: a JSON Web Key Set, or PEM with public keys or certificates. `REQUEST_INVALID` for what has none, and for a private
 * key, which must not be given to anybody.
 */
export function parseKeys(text: string): readonly JWK[] {
  if (text.includes("PRIVATE KEY") || /"(?:d|k)"\s*:/.test(text)) {
    throw new AppError(
      "REQUEST_INVALID",
      "`keys` has a private key in it; give the public one, and make a new pair",
    );
  }
  const keys = text.includes("-----BEGIN") ? parsePem(text) : readKeySet(parseJson(text));
  if (keys === undefined || keys.length === 0) {
    throw new AppError(
      "REQUEST_INVALID",
      "`keys` must be a JSON Web Key Set, or PEM with public keys or certificates",
    );
  }
  return keys;
}

function parsePem(text: string): readonly JWK[] {
  const blocks = text.match(/-----BEGIN (PUBLIC KEY|CERTIFICATE)-----[^-]+-----END \1-----/g) ?? [];
  return blocks.slice(0, maxKeys).map((block) => {
    try {
      return publicPart(createPublicKey(block).export({ format: "jwk" }));
    } catch (cause) {
      throw new AppError("REQUEST_INVALID", "`keys` has PEM in it that cannot be read", { cause });
    }
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const publicMembers = ["kty", "kid", "alg", "use", "crv", "x", "y", "n", "e"] as const;

function publicPart(key: Readonly<Record<string, unknown>>): JWK {
  const entries = publicMembers.flatMap((name) => {
    const value = key[name];
    return typeof value === "string" ? [[name, value] as const] : [];
  });
  return Object.fromEntries(entries);
}
