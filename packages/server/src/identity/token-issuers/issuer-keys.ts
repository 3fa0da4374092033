import type { KeyObject } from "node:crypto";
import type { JWK, JWTHeaderParameters } from "jose";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { OutgoingHttp } from "../../lib/outgoing-http.ts";
import { libtrustKeyId } from "./libtrust-key-id.ts";
import { keyOfChain, readCertificates, readJwks, toKey } from "./public-keys.ts";
import type { TokenIssuer } from "./token-issuer-store.ts";

/** Finds the key that a token says it was signed with; undefined when the issuer has none such. `UNAVAILABLE` when its keys cannot be had. */
export type FindIssuerKey = (
  issuer: TokenIssuer,
  header: JWTHeaderParameters,
) => Promise<KeyObject | undefined>;

interface Fetched {
  readonly keys: readonly NamedKey[];
  readonly atMs: number;
}

interface NamedKey {
  readonly names: readonly (string | undefined)[];
  readonly key: KeyObject;
}

const freshForMs = 600_000;
/** An unknown key id asks for the keys again, but not more often than this: anybody can invent ids. */
const askAgainAfterMs = 10_000;
const maxRemembered = 1_000;

export function createIssuerKeys(deps: {
  readonly clock: Clock;
  readonly outgoing: OutgoingHttp;
}): FindIssuerKey {
  const { clock, outgoing } = deps;
  const fetched = new Map<string, Fetched>();
  const fetching = new Map<string, Promise<Fetched>>();

  async function load(url: string): Promise<Fetched> {
    const reply = await outgoing.request(url, { headers: { accept: "application/json" }, timeoutMs: 5_000 });
    if (reply.status !== 200) throw new AppError("UNAVAILABLE", "the keys of a token issuer cannot be had");
    const found = { keys: named(readJwks(reply.body.toString("utf8"))), atMs: clock.nowMs() };
    if (fetched.size >= maxRemembered) fetched.clear();
    fetched.set(url, found);
    return found;
  }

  function fetchKeys(url: string): Promise<Fetched> {
    let under = fetching.get(url);
    if (under === undefined) {
      under = load(url).finally(() => fetching.delete(url));
      fetching.set(url, under);
    }
    return under;
  }

  async function published(url: string, kid: string | undefined): Promise<KeyObject | undefined> {
    const kept = fetched.get(url);
    const ageMs = kept === undefined ? Number.POSITIVE_INFINITY : Math.abs(clock.nowMs() - kept.atMs);
    const found = kept && pick(kept.keys, kid);
    if (kept !== undefined && found !== undefined && ageMs < freshForMs) return found;
    if (kept !== undefined && ageMs < askAgainAfterMs) return found;
    return pick((await fetchKeys(url)).keys, kid);
  }

  return async (issuer, { kid, x5c }) => {
    if (x5c !== undefined && issuer.roots !== undefined) {
      return keyOfChain(x5c, readCertificates(issuer.roots), clock.nowMs());
    }
    const given = pick(named(issuer.keys), kid);
    if (given !== undefined || issuer.jwksUrl === undefined) return given;
    return published(issuer.jwksUrl, kid);
  };
}

/** By the id that the key has in its JWKS, or by libtrust's. */
function named(keys: readonly JWK[]): readonly NamedKey[] {
  return keys.flatMap((jwk) => {
    const key = toKey(jwk);
    return key === undefined ? [] : [{ key, names: [jwk.kid, libtrustKeyId(key)] }];
  });
}

/** Without an id only where there is no doubt. */
function pick(keys: readonly NamedKey[], kid: string | undefined): KeyObject | undefined {
  if (kid === undefined) return keys.length === 1 ? keys[0]?.key : undefined;
  return keys.find(({ names }) => names.includes(kid))?.key;
}
