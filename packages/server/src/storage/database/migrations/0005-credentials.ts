import { type Kysely, sql } from "kysely";
import { newSecret } from "../../../lib/ids.ts";
import type { Tables } from "../tables.ts";
import { runStatements, type SchemaWords, schemaWords } from "./schema-words.ts";

/** Secrets of access tokens in a table of their own, issuers, labels, and usage; what they mean is said in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const words = schemaWords(db);
  await runStatements(db, [...secrets(words), ...issuers(words)]);
  await renamePublicIds(db);
}

function secrets({ id, integer, text, table }: SchemaWords): readonly string[] {
  return [
    `create table access_token_secrets (
      id ${id},
      access_token_id ${integer} not null references access_tokens (id) on delete cascade,
      secret_hash ${text} not null unique,
      is_legacy ${integer} not null check (is_legacy in (0, 1)),
      created_at_ms ${integer} not null,
      expires_at_ms ${integer}
    ) ${table}`,
    "create index access_token_secrets_token on access_token_secrets (access_token_id)",
    "create index access_token_secrets_expiry on access_token_secrets (expires_at_ms) where expires_at_ms is not null",
    `insert into access_token_secrets (access_token_id, secret_hash, is_legacy, created_at_ms)
      select id, secret_hash, 1, created_at_ms from access_tokens`,
    // SQLite drops no column that is unique; a unique text is what public ids need anyway.
    "alter table access_tokens rename column secret_hash to public_id",
    `alter table access_tokens add column kind ${text} not null default 'personal'`,
    `alter table access_tokens add column description ${text} not null default ''`,
    `alter table access_tokens add column networks ${text}`,
    `alter table access_tokens add column not_before_ms ${integer}`,
    `alter table access_tokens add column last_used_address ${text}`,
    "create index access_tokens_expiry on access_tokens (expires_at_ms) where expires_at_ms is not null",
  ];
}

function issuers({ integer, text, clustered }: SchemaWords): readonly string[] {
  return [
    `create table issuers (
      user_id ${integer} not null primary key references users (id) on delete cascade,
      repositories ${text} not null,
      actions ${text} not null,
      max_lifetime_seconds ${integer},
      max_active ${integer},
      require_expiry ${integer} not null check (require_expiry in (0, 1)),
      networks ${text}
    ) ${clustered}`,
    `create table issued_labels (
      issuer_user_id ${integer} not null references users (id) on delete cascade,
      name ${text} not null,
      value ${text} not null,
      user_id ${integer} not null references users (id) on delete cascade,
      primary key (issuer_user_id, name, value, user_id)
    ) ${clustered}`,
    "create index issued_labels_user on issued_labels (user_id)",
    `create table credential_usage (
      access_token_id ${integer} not null references access_tokens (id) on delete cascade,
      day ${integer} not null,
      repository ${text} not null,
      pulls ${integer} not null,
      pushes ${integer} not null,
      bytes_out ${integer} not null,
      bytes_in ${integer} not null,
      primary key (access_token_id, day, repository)
    ) ${clustered}`,
    "create index credential_usage_day on credential_usage (day)",
  ];
}

async function renamePublicIds(db: Kysely<Tables>): Promise<void> {
  const { rows } = await sql<{ id: number }>`select id from access_tokens`.execute(db);
  for (const { id } of rows) {
    await sql`update access_tokens set public_id = ${newSecret().slice(0, 22)} where id = ${id}`.execute(db);
  }
}
