import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";

/**
 * Seals secrets that the registry must be able to show to somebody else later (a client secret, a TOTP seed), and hashes those that it only has to
 * know again. Several keys at once: the first seals and hashes, all open and recognise, so that keys can be changed while running.
 */
export interface SecretBox {
  /** Text that only this box opens, and only in the same context ("totp 17"): a sealed text cannot be moved to another row. */
  seal(text: string, context: string): string;
  /** What was sealed. Throws an `Error` without the text when it is not of this box, was changed, or belongs elsewhere. */
  open(sealed: string, context: string): string;
  /** Keyed hash of a secret with much entropy: cheap for us, useless to whoever has the database alone. Hexadecimal, 64 characters. */
  hash(secret: string): string;
  /** The hashes that a secret may lie under, the present key's first. */
  hashes(secret: string): readonly string[];
  /** Tells the keys apart without giving them away, the present one's first. */
  readonly fingerprints: readonly string[];
}

/** A box whose keys can be others from now on; what is under way keeps those that it began with. */
export interface ChangingSecretBox extends SecretBox {
  replaceKeys(keys: readonly Buffer[]): void;
}

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

interface Keys {
  readonly id: string;
  readonly sealing: Buffer;
  readonly hashing: Buffer;
}

/** `keys` are at least 32 random bytes each; at least one. */
export function createSecretBox(keys: readonly Buffer[]): SecretBox {
  const all = keys.map(derive);
  const [present] = all;
  if (present === undefined) throw new Error("a secret box needs a key");
  const hashWith = (key: Buffer, secret: string) => createHmac("sha256", key).update(secret).digest("hex");
  return {
    fingerprints: all.map((key) => key.id),
    seal(text, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", present.sealing, nonce);
      cipher.setAAD(Buffer.from(context));
      const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
      return `v1.${present.id}.${Buffer.concat([nonce, sealed]).toString("base64url")}`;
    },
    open(sealed, context) {
      const [version, id, payload = ""] = sealed.split(".");
      const key = version === "v1" ? all.find((one) => one.id === id) : undefined;
      if (key === undefined) throw new Error("a secret was sealed with a key that is not configured");
      const bytes = Buffer.from(payload, "base64url");
      if (bytes.length < nonceBytes + tagBytes) throw new Error("a sealed secret is damaged");
      const decipher = createDecipheriv("aes-256-gcm", key.sealing, bytes.subarray(0, nonceBytes));
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
      const body = bytes.subarray(nonceBytes, bytes.length - tagBytes);
      return Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8");
    },
    hash: (secret) => hashWith(present.hashing, secret),
    hashes: (secret) => all.map((key) => hashWith(key.hashing, secret)),
  };
}

/** As `createSecretBox`. */
export function createChangingSecretBox(keys: readonly Buffer[]): ChangingSecretBox {
  let box = createSecretBox(keys);
  return {
    seal: (text, context) => box.seal(text, context),
    open: (sealed, context) => box.open(sealed, context),
    hash: (secret) => box.hash(secret),
    hashes: (secret) => box.hashes(secret),
    get fingerprints() {
      return box.fingerprints;
    },
    replaceKeys(others) {
      box = createSecretBox(others);
    },
  };
}

function derive(key: Buffer): Keys {
  if (key.length < keyBytes) throw new Error(`a secret key has at least ${keyBytes} bytes`);
  const part = (purpose: string, bytes: number) =>
    Buffer.from(hkdfSync("sha256", key, "", `entrepot ${purpose}`, bytes));
  return {
    id: part("fingerprint", 6).toString("hex"),
    sealing: part("sealing", keyBytes),
    hashing: part("hashing", keyBytes),
  };
}
