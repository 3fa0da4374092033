import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Rules by which tokens of CI systems and clusters become credentials; what they mean is said in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { id, integer, text, table, clustered } = schemaWords(db);
  await runStatements(db, [
    `create table trust_rules (
      id ${id},
      namespace_id ${integer} references namespaces (id) on delete cascade,
      name ${text} not null,
      issuer ${text} not null,
      jwks_url ${text},
      jwks ${text},
      certificate_authority ${text},
      audience ${text} not null,
      claims ${text} not null,
      user_id ${integer} not null references users (id) on delete cascade,
      scopes ${text},
      max_lifetime_seconds ${integer} not null,
      is_one_time ${integer} not null check (is_one_time in (0, 1)),
      is_disabled ${integer} not null check (is_disabled in (0, 1)),
      created_at_ms ${integer} not null,
      created_by ${text} not null,
      last_used_at_ms ${integer}
    ) ${table}`,
    "create unique index trust_rules_name on trust_rules (namespace_id, name) where namespace_id is not null",
    "create unique index trust_rules_system_name on trust_rules (name) where namespace_id is null",
    "create index trust_rules_user on trust_rules (user_id)",
    `create table spent_tokens (
      rule_id ${integer} not null references trust_rules (id) on delete cascade,
      token_id_hash ${text} not null,
      expires_at_ms ${integer} not null,
      primary key (rule_id, token_id_hash)
    ) ${clustered}`,
    "create index spent_tokens_expiry on spent_tokens (expires_at_ms)",
  ]);
}
