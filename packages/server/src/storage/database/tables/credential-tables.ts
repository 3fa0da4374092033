import type { Generated } from "kysely";
import type { Id } from "./column-types.ts";

/** What programs show, who may make it for others, and what it was used for. */
export interface CredentialTables {
  access_tokens: AccessTokensTable;
  access_token_secrets: AccessTokenSecretsTable;
  issuers: IssuersTable;
  issued_labels: IssuedLabelsTable;
  credential_usage: CredentialUsageTable;
  credential_pulls: CredentialPullsTable;
}

/** Credentials of programs: what an account shows instead of a password. Their secrets lie in `access_token_secrets`. */
interface AccessTokensTable {
  id: Id;
  public_id: string; // unique; random, for those who must not see how many there are
  user_id: number; // → users, cascade
  kind: Generated<string>; // 'personal' | 'application' | 'robot' | 'issued' | 'federated' | 'issuer'
  name: string; // unique per user
  description: Generated<string>;
  scopes: string | null; // JSON of CredentialScope[]; null = all that its user may
  networks: Generated<string | null>; // JSON of networks; null = from anywhere
  created_at_ms: number;
  not_before_ms: Generated<number | null>; // good from then on; null = at once
  expires_at_ms: number | null; // indexed where not null
  last_used_at_ms: number | null;
  last_used_address: Generated<string | null>;
  max_pulls_per_hour: Generated<number | null>; // null = as many as it likes
  max_requests_per_minute: Generated<number | null>; // null = as the server's settings say
}

/** Up to two for each credential: while one is being replaced, both are good. */
interface AccessTokenSecretsTable {
  id: Id;
  access_token_id: number; // → access_tokens, cascade; indexed
  secret_hash: string; // unique; keyed (SecretBox.hash), or SHA-256 where is_legacy
  is_legacy: number; // 1 = made before hashes had a key: has 256 random bits, so that it is safe all the same
  created_at_ms: number;
  expires_at_ms: number | null; // set when its successor was made; indexed where not null
}

/** The box of an issuer: all that it can give lies within. */
interface IssuersTable {
  user_id: number; // → users, cascade; primary key
  repositories: string; // JSON of RepositoryPattern[]
  actions: string; // JSON of 'pull' | 'push' | 'delete'
  max_lifetime_seconds: number | null; // null = any
  max_active: number | null; // null = any number
  require_expiry: number;
  networks: string | null; // JSON of networks; null = from anywhere
  max_pulls_per_hour: Generated<number | null>; // of one credential; null = any number
}

/** Labels of issued accounts, so that they are found by them. */
interface IssuedLabelsTable {
  issuer_user_id: number; // → users, cascade; primary key (issuer_user_id, name, value, user_id)
  name: string;
  value: string;
  user_id: number; // → users, cascade; indexed
}

/** What a credential was used for, by day (UTC) and repository. */
interface CredentialUsageTable {
  access_token_id: number; // → access_tokens, cascade; primary key (access_token_id, day, repository)
  day: number; // days since the epoch; indexed
  repository: string; // its name then
  pulls: number; // manifests read
  pushes: number; // manifests written
  bytes_out: number;
  bytes_in: number;
}

/** Pulls of credentials that have a limit, as far as all instances have told; kept for a few hours. */
interface CredentialPullsTable {
  access_token_id: number; // → access_tokens, cascade; primary key (access_token_id, hour)
  hour: number; // hours since the epoch; indexed
  pulls: number;
}
