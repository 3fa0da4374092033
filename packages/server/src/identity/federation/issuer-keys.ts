import { isObject } from "@entrepot/oci/json-object";
import type { JWK } from "jose";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { createLru } from "../../lib/create-lru.ts";
import type { OutgoingHttp } from "../../lib/outgoing-http.ts";
import { readKeySet } from "./public-keys.ts";
import type { TrustRule } from "./trust-rule-store.ts";

/** A key that an issuer has withdrawn is not taken for longer than this. */
const freshMs = 600_000;
/** When the issuer does not answer, its keys are taken for so long. */
const staleMs = 3_600_000;
/** A token with an unknown key makes us ask again, but not more often than this: anybody can make one up. */
const askAgainMs = 30_000;
const timeoutMs = 5_000;
const maxBytes = 262_144;

interface Held {
  readonly keys: readonly JWK[];
  readonly fetchedAtMs: number;
}

export interface IssuerKeys {
  /**
   * The keys that may have signed a token with this key id, by what the rule says of its issuer. Kept for ten minutes; asked for again when none fits,
   * as after a change of keys. `UNAVAILABLE` when the issuer does not answer and its keys are not known from the last hour.
   */
  candidates(rule: TrustRule, keyId: string | undefined, signal: AbortSignal): Promise<readonly JWK[]>;
}

export function createIssuerKeys(deps: {
  readonly outgoing: OutgoingHttp;
  readonly clock: Clock;
}): IssuerKeys {
  const held = createLru<string, Held>(1_000);
  const asked = createLru<string, { readonly atMs: number }>(1_000);
  const asking = new Map<string, Promise<readonly JWK[]>>();

  async function getJson(rule: TrustRule, url: string): Promise<unknown> {
    const { certificateAuthority } = rule;
    const reply = await deps.outgoing.request(url, {
      headers: { accept: "application/json" },
      timeoutMs,
      maxBytes,
      ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    });
    if (reply.status !== 200) throw unusable(url, `it answers ${reply.status}`);
    try {
      return JSON.parse(reply.body.toString("utf8"));
    } catch {
      throw unusable(url, "it answers with something else than JSON");
    }
  }

  async function fetchKeys(rule: TrustRule): Promise<readonly JWK[]> {
    const url = rule.jwksUrl ?? (await discover(rule));
    const keys = readKeySet(await getJson(rule, url));
    if (keys === undefined) throw unusable(url, "it answers without a key set");
    return keys;
  }

  /** OpenID Connect Discovery 1.0, 4: the document must name the issuer that was asked for. */
  async function discover(rule: TrustRule): Promise<string> {
    const url = `${rule.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const document = await getJson(rule, url);
    const { issuer, jwks_uri: address } = isObject(document) ? document : {};
    if (issuer !== rule.issuer) throw unusable(url, "it speaks for another issuer");
    if (typeof address !== "string" || !address.startsWith("https://"))
      throw unusable(url, "it names no keys");
    return address;
  }

  /** Several that need the same keys at once share one request, which no single caller ends. */
  function ask(rule: TrustRule, source: string): Promise<readonly JWK[]> {
    const under = asking.get(source);
    if (under !== undefined) return under;
    asked.set(source, { atMs: deps.clock.nowMs() });
    const request = fetchKeys(rule)
      .then((keys) => {
        held.set(source, { keys, fetchedAtMs: deps.clock.nowMs() });
        return keys;
      })
      .finally(() => asking.delete(source));
    asking.set(source, request);
    return request;
  }

  return {
    async candidates(rule, keyId, signal) {
      signal.throwIfAborted();
      if (rule.keys !== undefined) return fitting(rule.keys, keyId);
      const source = JSON.stringify([rule.jwksUrl ?? null, rule.issuer, rule.certificateAuthority ?? null]);
      const nowMs = deps.clock.nowMs();
      const known = held.get(source);
      const ageMs = known === undefined ? Number.POSITIVE_INFINITY : Math.abs(nowMs - known.fetchedAtMs);
      const mayAsk = Math.abs(nowMs - (asked.get(source)?.atMs ?? Number.NEGATIVE_INFINITY)) >= askAgainMs;
      const found = known === undefined || ageMs >= staleMs ? [] : fitting(known.keys, keyId);
      if (ageMs < freshMs && (found.length > 0 || !mayAsk)) return found;
      if (!mayAsk && !asking.has(source)) {
        if (ageMs < staleMs) return found;
        throw new AppError("UNAVAILABLE", "the keys of the token's issuer cannot be had now; try again");
      }
      try {
        return fitting(await ask(rule, source), keyId);
      } catch (error) {
        if (ageMs < staleMs) return found;
        throw error;
      }
    },
  };
}

/** A key without an id fits every token, and every key a token without one; the signature decides. */
function fitting(keys: readonly JWK[], keyId: string | undefined): readonly JWK[] {
  return keys.filter((key) => key.kid === undefined || keyId === undefined || key.kid === keyId);
}

function unusable(url: string, problem: string): AppError {
  return new AppError("UNAVAILABLE", `${new URL(url).host} gives no keys: ${problem}`);
}
