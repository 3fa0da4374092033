import { isDeepStrictEqual } from "node:util";
import type { JWK } from "jose";
import {
  type CredentialScope,
  type CredentialScopeJson,
  toCredentialScope,
  toScopeJson,
} from "../../access/credential-scope.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forKeyShare, forUpdate } from "../../storage/database/row-locks.ts";
import type { ClaimCondition } from "./claim-condition.ts";

/** A rule by which tokens of an issuer outside become credentials of an account here. */
export interface TrustRule {
  readonly id: number;
  /** Undefined = a rule of the registry. */
  readonly namespace: string | undefined;
  readonly name: string;
  readonly issuer: string;
  /** Undefined, with `keys` undefined as well = OpenID discovery at the issuer. */
  readonly jwksUrl: string | undefined;
  readonly keys: readonly JWK[] | undefined;
  /** PEM; undefined = the usual ones. */
  readonly certificateAuthority: string | undefined;
  readonly audience: string;
  /** At least one; all must hold. */
  readonly claims: readonly ClaimCondition[];
  readonly userId: number;
  /** Name of the robot or issuer. */
  readonly subject: string;
  /** Undefined = all that the account may. */
  readonly scopes: readonly CredentialScope[] | undefined;
  readonly maxLifetimeSeconds: number;
  readonly isOneTime: boolean;
  readonly isDisabled: boolean;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly lastUsedAtMs: number | undefined;
}

/** What can be said of a rule; the rest follows. */
export type TrustRuleValues = Pick<
  TrustRule,
  | "issuer"
  | "jwksUrl"
  | "keys"
  | "certificateAuthority"
  | "audience"
  | "claims"
  | "userId"
  | "scopes"
  | "maxLifetimeSeconds"
  | "isOneTime"
  | "isDisabled"
>;

/** Where a rule belongs: a namespace's id, or undefined for the registry's own. */
export type RuleHome = number | undefined;

function rules(db: Queryable) {
  return db
    .selectFrom("trust_rules as t")
    .innerJoin("users as u", "u.id", "t.user_id")
    .leftJoin("namespaces as n", "n.id", "t.namespace_id")
    .select([
      "t.id",
      "t.name",
      "t.issuer",
      "t.jwks_url",
      "t.jwks",
      "t.certificate_authority",
      "t.audience",
      "t.claims",
      "t.user_id",
      "t.scopes",
      "t.max_lifetime_seconds",
      "t.is_one_time",
      "t.is_disabled",
      "t.created_at_ms",
      "t.created_by",
      "t.last_used_at_ms",
      "u.username as subject",
      "n.name as namespace",
    ]);
}

/** By name in byte order after `last`. */
export async function listRules(
  db: Queryable,
  home: RuleHome,
  page: { readonly last: string | undefined; readonly limit: number },
): Promise<readonly TrustRule[]> {
  let query = rules(db).orderBy("t.name").limit(page.limit);
  query =
    home === undefined ? query.where("t.namespace_id", "is", null) : query.where("t.namespace_id", "=", home);
  if (page.last !== undefined) query = query.where("t.name", ">", page.last);
  return (await query.execute()).map(toRule);
}

export async function findRule(db: Queryable, home: RuleHome, name: string): Promise<TrustRule | undefined> {
  const query = rules(db).where("t.name", "=", name);
  const row = await (home === undefined
    ? query.where("t.namespace_id", "is", null)
    : query.where("t.namespace_id", "=", home)
  ).executeTakeFirst();
  return row === undefined ? undefined : toRule(row);
}

/** As `findRule`; nothing is got by the rule until this transaction ends. */
export async function lockRule(tx: Tx, home: RuleHome, name: string): Promise<TrustRule | undefined> {
  const found = await findRule(tx, home, name);
  if (found === undefined) return undefined;
  const row = tx.selectFrom("trust_rules").select("id").where("id", "=", found.id);
  await forUpdate(tx, row).executeTakeFirst();
  return findRule(tx, home, name);
}

/** Whether the rule still says what it said; then it does until this transaction ends. Any number may hold it at once. */
export async function holdRule(tx: Tx, rule: TrustRule): Promise<boolean> {
  const held = tx.selectFrom("trust_rules").select("id").where("id", "=", rule.id);
  await forKeyShare(tx, held).executeTakeFirst();
  const row = await rules(tx).where("t.id", "=", rule.id).executeTakeFirst();
  const said = (one: TrustRule) => ({ ...one, lastUsedAtMs: undefined });
  return row !== undefined && isDeepStrictEqual(said(toRule(row)), said(rule));
}

/** The robot or issuer of that name that a rule of the home may speak for. */
export async function findSubject(
  db: Queryable,
  home: RuleHome,
  username: string,
): Promise<{ readonly userId: number; readonly kind: string } | undefined> {
  let query = db
    .selectFrom("users")
    .select(["id", "kind"])
    .where("username", "=", username)
    .where("kind", "in", ["robot", "issuer"]);
  if (home !== undefined) query = query.where("namespace_id", "=", home);
  const row = await query.executeTakeFirst();
  return row === undefined ? undefined : { userId: row.id, kind: row.kind };
}

export async function findNamespaceId(db: Queryable, name: string): Promise<number | undefined> {
  const row = await db.selectFrom("namespaces").select("id").where("name", "=", name).executeTakeFirst();
  return row?.id;
}

/** False when the home has a rule of the name. */
export async function insertRule(
  tx: Tx,
  home: RuleHome,
  rule: TrustRuleValues & { readonly name: string; readonly createdBy: string; readonly nowMs: number },
): Promise<boolean> {
  const row = await tx
    .insertInto("trust_rules")
    .values({
      ...toColumns(rule),
      namespace_id: home ?? null,
      name: rule.name,
      created_at_ms: rule.nowMs,
      created_by: rule.createdBy,
      last_used_at_ms: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

export async function updateRule(tx: Tx, id: number, rule: TrustRuleValues): Promise<void> {
  await tx.updateTable("trust_rules").set(toColumns(rule)).where("id", "=", id).execute();
}

export async function deleteRule(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom("trust_rules").where("id", "=", id).execute();
}

/** To the minute: a busy rule is not written with every job. */
export async function touchRule(tx: Tx, id: number, nowMs: number): Promise<void> {
  await tx
    .updateTable("trust_rules")
    .set({ last_used_at_ms: nowMs })
    .where("id", "=", id)
    .where(({ eb, or }) =>
      or([eb("last_used_at_ms", "is", null), eb("last_used_at_ms", "<", nowMs - 60_000)]),
    )
    .execute();
}

/** Remembers that a token was taken; false when it was before. */
export async function spendToken(
  tx: Tx,
  token: { readonly ruleId: number; readonly tokenIdHash: string; readonly expiresAtMs: number },
): Promise<boolean> {
  const row = await tx
    .insertInto("spent_tokens")
    .values({ rule_id: token.ruleId, token_id_hash: token.tokenIdHash, expires_at_ms: token.expiresAtMs })
    .onConflict((conflict) => conflict.columns(["rule_id", "token_id_hash"]).doNothing())
    .returning("rule_id")
    .executeTakeFirst();
  return row !== undefined;
}

/** Forgets spent tokens that nobody takes any more in any case. */
export async function pruneSpentTokens(tx: Tx, nowMs: number, limit: number): Promise<void> {
  const old = await tx
    .selectFrom("spent_tokens")
    .select(["rule_id", "token_id_hash"])
    .where("expires_at_ms", "<", nowMs)
    .limit(limit)
    .execute();
  for (const row of old) {
    await tx
      .deleteFrom("spent_tokens")
      .where("rule_id", "=", row.rule_id)
      .where("token_id_hash", "=", row.token_id_hash)
      .execute();
  }
}

function toColumns(rule: TrustRuleValues) {
  return {
    issuer: rule.issuer,
    jwks_url: rule.jwksUrl ?? null,
    jwks: rule.keys === undefined ? null : JSON.stringify(rule.keys),
    certificate_authority: rule.certificateAuthority ?? null,
    audience: rule.audience,
    claims: JSON.stringify(rule.claims),
    user_id: rule.userId,
    scopes: rule.scopes === undefined ? null : JSON.stringify(rule.scopes.map(toScopeJson)),
    max_lifetime_seconds: rule.maxLifetimeSeconds,
    is_one_time: rule.isOneTime ? 1 : 0,
    is_disabled: rule.isDisabled ? 1 : 0,
  };
}

type RuleRow = Awaited<ReturnType<ReturnType<typeof rules>["executeTakeFirstOrThrow"]>>;

function toRule(row: RuleRow): TrustRule {
  return {
    id: row.id,
    namespace: row.namespace ?? undefined,
    name: row.name,
    issuer: row.issuer,
    jwksUrl: row.jwks_url ?? undefined,
    // as, here and below: `toColumns` wrote it
    keys: row.jwks === null ? undefined : (JSON.parse(row.jwks) as readonly JWK[]),
    certificateAuthority: row.certificate_authority ?? undefined,
    audience: row.audience,
    claims: JSON.parse(row.claims) as readonly ClaimCondition[],
    userId: row.user_id,
    subject: row.subject,
    scopes:
      row.scopes === null
        ? undefined
        : (JSON.parse(row.scopes) as readonly CredentialScopeJson[]).map(toCredentialScope),
    maxLifetimeSeconds: row.max_lifetime_seconds,
    isOneTime: row.is_one_time === 1,
    isDisabled: row.is_disabled === 1,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by,
    lastUsedAtMs: row.last_used_at_ms ?? undefined,
  };
}
