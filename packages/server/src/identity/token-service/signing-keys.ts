import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import type { Clock } from "../../lib/clock.ts";
import { newUuid } from "../../lib/ids.ts";
import type { MaybePromise } from "../../lib/maybe-promise.ts";
import type { Database } from "../../storage/database/database.ts";
import {
  deleteExpiredSigningKeys,
  insertSigningKey,
  listSigningKeys,
  lockSigningKeys,
  type SigningKeyRow,
} from "./signing-key-store.ts";

/** The keys of the token service, shared through the database by all instances. */
export interface SigningKeys {
  /** The key that signs now; a new one is made when the old one has retired. */
  current(): Promise<{ readonly kid: string; readonly key: CryptoKey }>;
  /** The key that verifies a token of this id; undefined when there is none, or it has expired. */
  find(kid: string): MaybePromise<CryptoKey | undefined>;
  /** Public keys for others who verify our tokens (RFC 7517). */
  jwks(): Promise<{ readonly keys: readonly JWK[] }>;
}

interface LoadedKey {
  readonly row: SigningKeyRow;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** How old may be what is known of the keys of others, and of those that were taken away. */
const reloadMs = 5_000;
/** A new key signs nothing before all others have had time to see it, clocks that differ included. */
const settleMs = 60_000;
/** So long before a key retires its successor is made; half of its life if that is shorter. */
const maxPrepareMs = 3_600_000;

/**
 * One transaction at a time makes a key, so instances that find the old one retiring make one between them. The successor is listed long before
 * it signs; so a token is never younger than what another instance knows. A retired key verifies until the last token that it signed has
 * expired, and is removed by the next key. A key that somebody removes from the database is no good within seconds.
 */
export function createSigningKeys(
  database: Database,
  clock: Clock,
  options: { readonly rotationMs: number; readonly tokenLifetimeMs: number },
): SigningKeys {
  const prepareMs = Math.min(maxPrepareMs, options.rotationMs / 2);
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

  const isStale = () => Math.abs(clock.nowMs() - loadedAtMs) >= reloadMs;
  const active = () => loaded.filter(({ row }) => row.retiresAtMs > clock.nowMs());
  const lasts = (row: SigningKeyRow) => row.retiresAtMs - clock.nowMs() > prepareMs;

  async function create(): Promise<void> {
    const row = await newKey(clock.nowMs(), options);
    await database.transaction(async (tx) => {
      await lockSigningKeys(tx);
      const known = await listSigningKeys(tx, row.createdAtMs);
      if (known.some(lasts)) return;
      await deleteExpiredSigningKeys(tx, row.createdAtMs);
      await insertSigningKey(tx, row);
    });
    await reload();
  }

  async function prepare(): Promise<void> {
    if (isStale()) await reload();
    if (active().some(({ row }) => lasts(row))) return;
    try {
      await create();
    } catch (error) {
      // The key at hand is good for a while, and the next token tries again.
      if (active().length === 0) throw error;
    }
  }

  const known = (kid: string) =>
    loaded.find(({ row }) => row.kid === kid && row.expiresAtMs > clock.nowMs())?.publicKey;

  return {
    async current() {
      await prepare();
      const settled = active().find(({ row }) => row.createdAtMs <= clock.nowMs() - settleMs);
      // While none is, the oldest is the one that most have seen.
      const key = settled ?? active().at(-1);
      if (key === undefined) throw new Error("a signing key that was just made is not there");
      return { kid: key.row.kid, key: key.privateKey };
    },
    find(kid) {
      // With no key that signs, the first one may have been made a moment ago, and signs at once.
      return isStale() || active().length === 0 ? reload().then(() => known(kid)) : known(kid);
    },
    async jwks() {
      await prepare();
      await reload();
      // as: written by newKey() below
      return { keys: loaded.map(({ row }) => JSON.parse(row.publicJwk) as JWK) };
    },
  };
}

async function newKey(
  nowMs: number,
  options: { readonly rotationMs: number; readonly tokenLifetimeMs: number },
): Promise<SigningKeyRow> {
  const pair = await generateKeyPair("ES256", { extractable: true });
  const kid = newUuid();
  const retiresAtMs = nowMs + options.rotationMs;
  return {
    kid,
    privateJwk: JSON.stringify(await exportJWK(pair.privateKey)),
    publicJwk: JSON.stringify({ ...(await exportJWK(pair.publicKey)), kid, use: "sig", alg: "ES256" }),
    createdAtMs: nowMs,
    retiresAtMs,
    // Twice the lifetime: clocks differ.
    expiresAtMs: retiresAtMs + 2 * options.tokenLifetimeMs,
  };
}

async function importKey(row: SigningKeyRow, known: readonly LoadedKey[]): Promise<LoadedKey> {
  const before = known.find((key) => key.row.kid === row.kid);
  if (before !== undefined) return before;
  const [privateKey, publicKey] = await Promise.all([toKey(row.privateJwk), toKey(row.publicJwk)]);
  return { row, privateKey, publicKey };
}

async function toKey(jwk: string): Promise<CryptoKey> {
  // as: written by newKey() above
  const key = await importJWK(JSON.parse(jwk) as JWK, "ES256");
  if (key instanceof Uint8Array) throw new Error("an ES256 key is not a secret");
  return key;
}
