import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import type { SecretBox } from "../../lib/secret-box.ts";
import type { Database } from "../../storage/database/database.ts";
import { keepFact } from "../../storage/database/fact-store.ts";

/** Signs where the chain ends, so that whoever has the database alone cannot write another end. */
export interface AuditSigner {
  sign(text: string): Promise<string>;
  /** False for what is no signature, too. */
  verify(text: string, signature: string): Promise<boolean>;
  /** PEM, for those who check without us. */
  publicKey(): Promise<string>;
}

/** The fact that holds the sealed key, and what it is sealed for. */
export const factName = "audit-signing-key";

/** The key (Ed25519) is made when it is first needed and lies sealed in the database; every instance has the same. */
export function createAuditSigner(deps: {
  readonly database: Database;
  readonly secretBox: SecretBox;
}): AuditSigner {
  let loading: Promise<Keys> | undefined;
  const load = () => {
    loading ??= loadKeys(deps).catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
  return {
    sign: async (text) => sign(null, Buffer.from(text), (await load()).privateKey).toString("base64url"),
    verify: async (text, signature) =>
      verify(null, Buffer.from(text), (await load()).publicKey, Buffer.from(signature, "base64url")),
    publicKey: async () => (await load()).publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

interface Keys {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

async function loadKeys({ database, secretBox }: Parameters<typeof createAuditSigner>[0]): Promise<Keys> {
  const made = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const sealed = secretBox.seal(made, factName);
  const kept = await database.transaction((tx) => keepFact(tx, factName, sealed));
  const privateKey = createPrivateKey(secretBox.open(kept, factName));
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** What is signed of an end or a beginning of the chain. */
export function statementOf(
  kind: "head" | "checkpoint" | "anchor",
  place: { readonly sequence: number; readonly hash: string; readonly atMs: number },
): string {
  return `entrepot audit ${kind} ${place.sequence} ${place.hash} ${place.atMs}`;
}
