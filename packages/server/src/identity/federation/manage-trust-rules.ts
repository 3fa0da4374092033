import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { actorName } from "../../access/actor.ts";
import { type CredentialScopeJson, toCredentialScope, toScopeJson } from "../../access/credential-scope.ts";
import { type Json, recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { Queryable } from "../../storage/database/database.ts";
import { type ClaimCondition, checkConditions } from "./claim-condition.ts";
import { type FederationDeps, ruleName } from "./exchange-token.ts";
import { judgeToken } from "./judge-token.ts";
import { revokeMinted } from "./mint-credential.ts";
import { parseKeys } from "./public-keys.ts";
import {
  deleteRule,
  findNamespaceId,
  findRule,
  findSubject,
  insertRule,
  listRules,
  lockRule,
  type RuleHome,
  type TrustRule,
  type TrustRuleValues,
  updateRule,
} from "./trust-rule-store.ts";

export type { TrustRule };

/** A rule as it is written down by people. */
export interface TrustRuleInput {
  readonly issuer: string;
  readonly jwksUrl?: string;
  /** JSON Web Key Set or PEM. */
  readonly keys?: string;
  readonly certificateAuthority?: string;
  readonly audience: string;
  readonly claims: readonly ClaimCondition[];
  readonly subject: string;
  readonly scopes?: readonly CredentialScopeJson[];
  readonly maxLifetimeSeconds?: number;
  readonly isOneTime?: boolean;
  readonly isDisabled?: boolean;
}

const defaultLifetimeSeconds = 900;

/** One page of the rules of a namespace, or of the registry's own, by name. */
export async function listTrustRules(
  deps: FederationDeps,
  namespace: string | undefined,
  page: Page,
): Promise<{ readonly rules: readonly TrustRule[]; readonly hasMore: boolean }> {
  const home = await homeOf(deps.database.read, namespace);
  const rows = await listRules(deps.database.read, home, { last: page.last, limit: page.limit + 1 });
  return { rules: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** `NOT_FOUND` when there is none. */
export async function getTrustRule(
  deps: FederationDeps,
  namespace: string | undefined,
  name: string,
): Promise<TrustRule> {
  const home = await homeOf(deps.database.read, namespace);
  const rule = name.includes("\0") ? undefined : await findRule(deps.database.read, home, name);
  if (rule === undefined) throw noSuchRule(name);
  return rule;
}

/**
 * Makes a rule. `ALREADY_EXISTS` for a name that is taken; `REQUEST_INVALID` for a rule that would trust nobody, everybody, or keys that travel in
 * clear, and for a subject that is no robot or issuer of the namespace.
 */
export async function createTrustRule(
  deps: FederationDeps,
  call: Call,
  namespace: string | undefined,
  input: TrustRuleInput & { readonly name: string },
): Promise<TrustRule> {
  const nowMs = deps.clock.nowMs();
  return deps.database.transaction(async (tx) => {
    const home = await homeOf(tx, namespace);
    const values = await toValues(tx, home, input);
    const made = { ...values, name: input.name, createdBy: actorName(call.actor), nowMs };
    const isNew = await insertRule(tx, home, made);
    const rule = isNew ? await findRule(tx, home, input.name) : undefined;
    if (rule === undefined) {
      throw new AppError("ALREADY_EXISTS", `there is a trust rule ${input.name} already`);
    }
    await recordAudit(tx, call, nowMs, {
      action: "trust-rule.create",
      target: `trust rule ${ruleName(rule)}`,
      namespace,
      after: forAudit(rule),
    });
    return rule;
  });
}

/** Replaces all that the rule says. Credentials that were got by it end, here at once and elsewhere within about a second. Errors as `createTrustRule`; `NOT_FOUND`. */
export async function replaceTrustRule(
  deps: FederationDeps,
  call: Call,
  namespace: string | undefined,
  name: string,
  input: TrustRuleInput,
): Promise<TrustRule> {
  const replaced = await deps.database.transaction(async (tx) => {
    const home = await homeOf(tx, namespace);
    const before = await lockRule(tx, home, name);
    if (before === undefined) throw noSuchRule(name);
    await bumpAccessVersion(tx);
    await revokeMinted(tx, before);
    await updateRule(tx, before.id, await toValues(tx, home, input));
    const rule = await findRule(tx, home, name);
    if (rule === undefined) throw noSuchRule(name);
    await recordAudit(tx, call, deps.clock.nowMs(), {
      action: "trust-rule.update",
      target: `trust rule ${ruleName(rule)}`,
      namespace,
      before: forAudit(before),
      after: forAudit(rule),
    });
    return rule;
  });
  deps.access.changed();
  return replaced;
}

/** Deletes a rule, and with it every credential that was got by it. `NOT_FOUND`. */
export async function deleteTrustRule(
  deps: FederationDeps,
  call: Call,
  namespace: string | undefined,
  name: string,
): Promise<void> {
  await deps.database.transaction(async (tx) => {
    const rule = await lockRule(tx, await homeOf(tx, namespace), name);
    if (rule === undefined) throw noSuchRule(name);
    await bumpAccessVersion(tx);
    await revokeMinted(tx, rule);
    await deleteRule(tx, rule.id);
    await recordAudit(tx, call, deps.clock.nowMs(), {
      action: "trust-rule.delete",
      target: `trust rule ${ruleName(rule)}`,
      namespace,
      before: forAudit(rule),
    });
  });
  deps.access.changed();
}

/** What a rule says of a token, with the reason; nothing is given for it, and it is not spent. `NOT_FOUND`. */
export async function testTrustRule(
  deps: FederationDeps,
  call: Call,
  namespace: string | undefined,
  name: string,
  token: string,
): Promise<{ readonly isTaken: boolean; readonly why: string }> {
  const rule = await getTrustRule(deps, namespace, name);
  const judgement = await judgeToken(deps, rule, token, call.signal);
  return judgement.isTaken
    ? { isTaken: true, why: `it becomes a credential of ${rule.subject}` }
    : { isTaken: false, why: judgement.why };
}

async function homeOf(db: Queryable, namespace: string | undefined): Promise<RuleHome> {
  if (namespace === undefined) return undefined;
  const id = await findNamespaceId(db, namespace);
  if (id === undefined) throw new AppError("NOT_FOUND", "there is no such organization");
  return id;
}

async function toValues(db: Queryable, home: RuleHome, input: TrustRuleInput): Promise<TrustRuleValues> {
  checkConditions(input.claims);
  checkSource(input);
  const subject = input.subject.includes("\0") ? undefined : await findSubject(db, home, input.subject);
  if (subject === undefined) {
    throw new AppError(
      "REQUEST_INVALID",
      `\`subject\` must be a robot or an issuer${home === undefined ? "" : " of the organization"}`,
    );
  }
  if (subject.kind === "issuer" && input.scopes !== undefined) {
    throw new AppError(
      "REQUEST_INVALID",
      "an issuer can do nothing with a limited credential: leave `scopes` out",
    );
  }
  return {
    issuer: input.issuer,
    jwksUrl: input.jwksUrl,
    keys: input.keys === undefined ? undefined : parseKeys(input.keys),
    certificateAuthority: input.certificateAuthority,
    audience: input.audience,
    claims: input.claims,
    userId: subject.userId,
    scopes: input.scopes?.map(toCredentialScope),
    maxLifetimeSeconds: input.maxLifetimeSeconds ?? defaultLifetimeSeconds,
    isOneTime: input.isOneTime ?? false,
    isDisabled: input.isDisabled ?? false,
  };
}

/** Keys that travel in clear could be anybody's. */
function checkSource({ issuer, jwksUrl, keys, certificateAuthority }: TrustRuleInput): void {
  if (jwksUrl !== undefined && keys !== undefined) {
    throw new AppError("REQUEST_INVALID", "`jwksUrl` and `keys` exclude each other");
  }
  if (keys === undefined && !isHttps(jwksUrl ?? issuer)) {
    throw new AppError(
      "REQUEST_INVALID",
      jwksUrl === undefined
        ? "`issuer` must be an https address, so that its keys can be looked up; or give `jwksUrl` or `keys`"
        : "`jwksUrl` must be an https address",
    );
  }
  if (certificateAuthority !== undefined && !certificateAuthority.includes("-----BEGIN CERTIFICATE-----")) {
    throw new AppError("REQUEST_INVALID", "`certificateAuthority` must be PEM with a certificate");
  }
}

function isHttps(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === "https:";
}

function forAudit(rule: TrustRule): Json {
  return {
    issuer: rule.issuer,
    audience: rule.audience,
    claims: rule.claims.map((condition) => ({ ...condition })),
    subject: rule.subject,
    scopes: rule.scopes === undefined ? null : rule.scopes.map((scope) => ({ ...toScopeJson(scope) })),
    maxLifetimeSeconds: rule.maxLifetimeSeconds,
    isOneTime: rule.isOneTime,
    isDisabled: rule.isDisabled,
    keys: rule.keys === undefined ? (rule.jwksUrl ?? "discovery") : `${rule.keys.length} given`,
  };
}

function noSuchRule(name: string): AppError {
  return new AppError("NOT_FOUND", `there is no trust rule ${JSON.stringify(name.slice(0, 80))}`);
}
