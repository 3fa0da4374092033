import type { Id } from "./column-types.ts";

/** Those outside who decide or vouch for others. */
export interface OutsideTables {
  decision_points: DecisionPointsTable;
  decision_invalidations: DecisionInvalidationsTable;
  token_issuers: TokenIssuersTable;
}

/** One callback that decides about the repositories of a pattern. */
interface DecisionPointsTable {
  id: Id;
  name: string; // unique
  pattern: string; // RepositoryPattern
  url: string;
  secret: string; // sealed, in the context "decision-point <name>"
  timeout_ms: number;
  serve_stale_seconds: number; // how long an answer that has ended may stand in when the callback does not answer; 0 = never
  max_concurrent: number; // questions at once, for each process
  allows_anonymous: number; // 1 = it is asked what nobody in particular may; 0 = nothing
  answers_login: number; // 1 = it is asked about credentials shown without naming a repository
  revision: number; // another one with every change: answers from before are no longer used
  created_at_ms: number;
  created_by: string;
}

/** What a decision point took back, for every process to see. */
interface DecisionInvalidationsTable {
  id: number; // primary key; counter 'decisions', so that rows are committed in the order of their ids
  point_id: number; // no foreign key: rows go by age
  kind: string; // 'all' | 'principal' | 'repository' | 'cache-key'
  subject: string; // of that kind; '' for 'all'
  at_ms: number; // indexed
}

/** A token service outside whose tokens are taken for the repositories of its patterns. */
interface TokenIssuersTable {
  id: Id;
  name: string; // unique
  issuer: string; // the claim `iss`
  audience: string; // the claim `aud`; unique with issuer
  algorithms: string; // JSON of names of JWS algorithms
  clock_skew_seconds: number;
  patterns: string; // JSON of RepositoryPattern[]
  jwks_url: string | null;
  keys: string | null; // JSON of public JWKs with their key ids
  roots: string | null; // PEM of certificates that `x5c` chains must lead to
  realm: string | null; // where clients get tokens; null = they are told of our own service
  created_at_ms: number;
  created_by: string;
}
