import type { Id } from "./column-types.ts";

/** Whose tokens from outside become credentials here. */
export interface FederationTables {
  trust_rules: TrustRulesTable;
  spent_tokens: SpentTokensTable;
}

/** One rule: tokens of this issuer, for this audience, with these claims, become credentials of this account. */
interface TrustRulesTable {
  id: Id;
  namespace_id: number | null; // → namespaces, cascade: whose rule it is; null = of the registry
  name: string; // unique in the namespace
  issuer: string; // the claim `iss`, to the letter
  jwks_url: string | null; // where its keys are; null with jwks null = OpenID discovery at the issuer
  jwks: string | null; // JSON of public JWKs, for issuers that cannot be asked
  certificate_authority: string | null; // PEM: who vouches for the address of the keys; null = the usual ones
  audience: string; // must be among the claim `aud`
  claims: string; // JSON of ClaimCondition[]; all must hold; at least one
  user_id: number; // → users, cascade: a robot or an issuer; indexed
  scopes: string | null; // JSON of CredentialScope[]; null = all that the account may
  max_lifetime_seconds: number;
  is_one_time: number; // 1 = a token is taken once, known by its `jti`
  is_disabled: number;
  created_at_ms: number;
  created_by: string;
  last_used_at_ms: number | null; // to the minute
}

/** Tokens of one-time rules that were taken, until they expire by themselves. */
interface SpentTokensTable {
  rule_id: number; // → trust_rules, cascade; primary key (rule_id, token_id_hash)
  token_id_hash: string; // SHA-256 of the claim `jti`
  expires_at_ms: number; // indexed
}
