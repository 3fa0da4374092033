import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import type { Clock } from "../../lib/clock.ts";
import { newUuid } from "../../lib/ids.ts";
import type { Database } from "../../storage/database/database.ts";
import {
  deleteExpiredSigningKeys,
  insertSigningKey,
  listSigningKeys,
  type SigningKeyRow,
} from "./signing-key-store.ts";

/** The keys of the token service, shared through the database by all instances. */
export interface SigningKeys {
  /** The key that signs now; a new one is made when the old one has retired. */
  current(): Promise<{ readonly kid: string; readonly key: CryptoKey }>;
  /** The key that verifies a token of this id; undefined when there is none, or it has expired. */
  find(kid: string): Promise<CryptoKey | undefined>;
  /** Public keys for others who verify our tokens (RFC 7517). */
  jwks(): Promise<{ readonly keys: readonly JWK[] }>;
}

interface LoadedKey {
  readonly row: SigningKeyRow;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** A key that another instance made is looked for at most so often. */
const reloadMs = 5_000;

/**
 * Two instances that find the key retired at once make one each: both are listed, both verify, the newer signs. A retired key verifies until the
 * last token it signed has expired.
 */
export function createSigningKeys(
  database: Database,
  clock: Clock,
  options: { readonly rotationMs: number; readonly tokenLifetimeMs: number },
): SigningKeys {
  let loaded: readonly LoadedKey[] = [];
  let loadedAtMs = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | undefined;

  async function load(): Promise<void> {
    const nowMs = clock.nowMs();
    const rows = await listSigningKeys(database.read, nowMs);
    loaded = await Promise.all(rows.map((row) => importKey(row, loaded)));
    loadedAtMs = nowMs;
  }

  function reload(): Promise<void> {
    loading ??= load().finally(() => {
      loading = undefined;
    });
    return loading;
  }

  async function create(): Promise<void> {
    const nowMs = clock.nowMs();
    const pair = await generateKeyPair("ES256", { extractable: true });
    const kid = newUuid();
    const retiresAtMs = nowMs + options.rotationMs;
    const row: SigningKeyRow = {
      kid,
      privateJwk: JSON.stringify(await exportJWK(pair.privateKey)),
      publicJwk: JSON.stringify({ ...(await exportJWK(pair.publicKey)), kid, use: "sig", alg: "ES256" }),
      createdAtMs: nowMs,
      retiresAtMs,
      // Twice the lifetime: clocks differ.
      expiresAtMs: retiresAtMs + 2 * options.tokenLifetimeMs,
    };
    await database.transaction(async (tx) => {
      await deleteExpiredSigningKeys(tx, nowMs);
      await insertSigningKey(tx, row);
    });
    await reload();
  }

  const active = () => loaded.find(({ row }) => row.retiresAtMs > clock.nowMs());

  return {
    async current() {
      if (active() === undefined) await reload();
      if (active() === undefined) await create();
      const key = active();
      if (key === undefined) throw new Error("a signing key that was just made is not there");
      return { kid: key.row.kid, key: key.privateKey };
    },
    async find(kid) {
      const find = () => loaded.find(({ row }) => row.kid === kid && row.expiresAtMs > clock.nowMs());
      if (find() === undefined && clock.nowMs() - loadedAtMs > reloadMs) await reload();
      return find()?.publicKey;
    },
    async jwks() {
      await reload();
      if (loaded.length === 0) await create();
      // as: written by create() above
      return { keys: loaded.map(({ row }) => JSON.parse(row.publicJwk) as JWK) };
    },
  };
}

async function importKey(row: SigningKeyRow, known: readonly LoadedKey[]): Promise<LoadedKey> {
  const before = known.find((key) => key.row.kid === row.kid);
  if (before !== undefined) return before;
  const [privateKey, publicKey] = await Promise.all([toKey(row.privateJwk), toKey(row.publicJwk)]);
  return { row, privateKey, publicKey };
}

async function toKey(jwk: string): Promise<CryptoKey> {
  // as: written by create() above
  const key = await importJWK(JSON.parse(jwk) as JWK, "ES256");
  if (key instanceof Uint8Array) throw new Error("an ES256 key is not a secret");
  return key;
}
