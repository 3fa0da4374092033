import { createHash } from "node:crypto";
import { parseScopes, type Scope } from "@entrepot/oci/scope";
import { decodeJwt } from "jose";
import { type RepositoryAction, repositoryActions } from "../../access/actions.ts";
import { type CredentialScope, toCredentialScope, toScopeJson } from "../../access/credential-scope.ts";
import { intersectScopes } from "../../access/intersect-scopes.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { RequestLimiter } from "../accounts/request-limiter.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { IssuerKeys } from "./issuer-keys.ts";
import { judgeToken } from "./judge-token.ts";
import { mintCredential } from "./mint-credential.ts";
import {
  findNamespaceId,
  findRule,
  holdRule,
  spendToken,
  type TrustRule,
  touchRule,
} from "./trust-rule-store.ts";

export interface FederationDeps extends IdentityDeps {
  readonly keys: IssuerKeys;
  /** Of refusals: each may cost a verification and an audit entry. */
  readonly refusals: RequestLimiter;
}

export interface Exchange {
  readonly token: string;
  /** "acme/ci" or, of the registry's own rules, "ci". */
  readonly rule: string;
  /** In the form of docker's tokens; undefined = all that the rule gives. */
  readonly scope: string | undefined;
}

export interface Exchanged {
  readonly secret: string;
  readonly username: string;
  readonly expiresInSeconds: number;
  readonly scopes: readonly CredentialScope[] | undefined;
}

/**
 * Gives a short-lived credential for a token of an issuer, by the one rule that is named: another's, for the same issuer, cannot get between. `UNAUTHORIZED`
 * with one sentence, whatever is wrong with the token or the rule: the audit log says more, to those whose rule it is. `DENIED` when nothing of the
 * scope asked for is left; `UNAVAILABLE` when the issuer's keys cannot be had; `TOOMANYREQUESTS` after many refusals.
 */
export async function exchangeToken(
  deps: FederationDeps,
  call: Call,
  exchange: Exchange,
): Promise<Exchanged> {
  const address = call.client?.address ?? "unknown";
  deps.refusals.check(address);
  const rule = await findNamedRule(deps, exchange.rule);
  const judgement =
    rule === undefined
      ? ({ isTaken: false, why: "there is no such rule" } as const)
      : await judgeToken(deps, rule, exchange.token, call.signal);
  let why = judgement.isTaken ? "" : judgement.why;
  if (rule !== undefined && judgement.isTaken) {
    const minted = await mint(deps, call, rule, { ...judgement, scopes: narrow(rule, exchange.scope) });
    if (typeof minted !== "string") return minted;
    why = minted;
  }
  deps.refusals.count(address);
  await recordRefusal(deps, call, { exchange, rule, why });
  throw new AppError("UNAUTHORIZED", "the trust rule does not take this token, or there is no such rule");
}

async function findNamedRule(deps: FederationDeps, name: string): Promise<TrustRule | undefined> {
  if (name.includes("\0")) return undefined;
  const slash = name.indexOf("/");
  const { read } = deps.database;
  if (slash < 0) return findRule(read, undefined, name);
  const home = await findNamespaceId(read, name.slice(0, slash));
  return home === undefined ? undefined : findRule(read, home, name.slice(slash + 1));
}

/** Or why there is none. */
async function mint(
  deps: FederationDeps,
  call: Call,
  rule: TrustRule,
  token: {
    readonly scopes: readonly CredentialScope[] | undefined;
    readonly payload: Readonly<Record<string, unknown>>;
    readonly expiresAtMs: number;
  },
): Promise<Exchanged | string> {
  const nowMs = deps.clock.nowMs();
  const { scopes, payload } = token;
  const lifetimeSeconds = rule.maxLifetimeSeconds;
  return deps.database.transaction(async (tx) => {
    // The issuer may have been asked for its keys since the rule was read: what is got by a rule that was changed must not come after what that ended.
    if (!(await holdRule(tx, rule))) return "the rule was changed meanwhile";
    if (rule.isOneTime) {
      const tokenIdHash = createHash("sha256").update(String(payload["jti"])).digest("hex");
      // With the tolerance of clocks, so that it is not forgotten while it would still be taken.
      const isFirst = await spendToken(tx, {
        ruleId: rule.id,
        tokenIdHash,
        expiresAtMs: token.expiresAtMs + 120_000,
      });
      if (!isFirst) return "it was taken before";
    }
    const { secret, accessTokenId } = await mintCredential(tx, deps, rule, { scopes, lifetimeSeconds });
    await touchRule(tx, rule.id, nowMs);
    await recordAudit(tx, call, nowMs, {
      action: "federation.exchange",
      target: `user ${rule.subject}`,
      namespace: rule.namespace,
      after: { accessTokenId, expiresAtMs: nowMs + lifetimeSeconds * 1_000 },
      detail: { rule: ruleName(rule), ...describe(payload), jti: shortened(payload["jti"]) },
    });
    return {
      secret,
      username: rule.subject,
      expiresInSeconds: lifetimeSeconds,
      scopes,
    };
  });
}

async function recordRefusal(
  deps: FederationDeps,
  call: Call,
  refused: { readonly exchange: Exchange; readonly rule: TrustRule | undefined; readonly why: string },
): Promise<void> {
  const { exchange, rule, why } = refused;
  await deps.database.transaction((tx) =>
    recordAudit(tx, call, deps.clock.nowMs(), {
      action: "federation.exchange",
      target: rule === undefined ? "nobody" : `user ${rule.subject}`,
      outcome: "denied",
      namespace: rule?.namespace,
      detail: {
        rule: exchange.rule.slice(0, 200).replaceAll("\0", ""),
        ...describe(readClaims(exchange.token)),
        why,
      },
    }),
  );
}

/** What the credential may carry: the rule's scopes, and of those only what was asked for. */
function narrow(rule: TrustRule, asked: string | undefined): readonly CredentialScope[] | undefined {
  if (asked === undefined || asked.trim() === "") return rule.scopes;
  const wanted = parseScopes(asked).flatMap(toCredentialScopes);
  const scopes = rule.scopes === undefined ? wanted : intersectScopes(rule.scopes, wanted);
  if (scopes.length === 0)
    throw new AppError("DENIED", "the trust rule gives nothing of the scope asked for");
  return scopes;
}

function toCredentialScopes(scope: Scope): readonly CredentialScope[] {
  if (scope.type !== "repository") return [];
  const actions = scope.actions.includes("*") ? repositoryActions : scope.actions.filter(isRepositoryAction);
  return actions.length === 0 ? [] : [toCredentialScope({ repositories: scope.name, actions })];
}

function isRepositoryAction(action: string): action is RepositoryAction {
  return repositoryActions.some((known) => known === action);
}

/** What a token says that was not verified: only for those who look for what went wrong. */
function readClaims(token: string): Readonly<Record<string, unknown>> {
  try {
    return decodeJwt(token);
  } catch {
    return {};
  }
}

function describe(payload: Readonly<Record<string, unknown>>) {
  return { issuer: shortened(payload["iss"]) ?? null, subject: shortened(payload["sub"]) ?? null };
}

function shortened(value: unknown): string | undefined {
  return typeof value === "string" ? value.slice(0, 300).replaceAll("\0", "") : undefined;
}

/** The name by which everybody knows a rule. */
export function ruleName(rule: Pick<TrustRule, "namespace" | "name">): string {
  return rule.namespace === undefined ? rule.name : `${rule.namespace}/${rule.name}`;
}

/** The scopes of a credential in the form of docker's tokens, where they have one. */
export function toScopeText(scopes: readonly CredentialScope[] | undefined): string | undefined {
  return scopes
    ?.map(toScopeJson)
    .map(({ repositories, actions }) => `repository:${repositories}:${actions.join(",")}`)
    .join(" ");
}
