import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Browser sessions, second factors, and from where people sign in; what they mean is said in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { id, integer, text, table, clustered } = schemaWords(db);
  await runStatements(db, [
    `alter table users add column mfa_at_ms ${integer}`,
    `alter table namespaces add column requires_mfa ${integer} not null default 0 check (requires_mfa in (0, 1))`,
    `create table sessions (
      id ${id},
      user_id ${integer} not null references users (id) on delete cascade,
      secret_hash ${text} not null unique,
      password_epoch ${text} not null,
      method ${text} not null,
      amr ${text} not null,
      created_at_ms ${integer} not null,
      last_seen_at_ms ${integer} not null,
      authenticated_at_ms ${integer} not null,
      mfa_at_ms ${integer},
      expires_at_ms ${integer} not null,
      address ${text} not null,
      user_agent ${text}
    ) ${table}`,
    "create index sessions_user on sessions (user_id, id)",
    "create index sessions_expiry on sessions (expires_at_ms)",
    "create index sessions_seen on sessions (last_seen_at_ms)",
    `create table totp_seeds (
      user_id ${integer} not null primary key references users (id) on delete cascade,
      seed ${text} not null,
      last_counter ${integer} not null,
      created_at_ms ${integer} not null,
      last_used_at_ms ${integer}
    ) ${table}`,
    `create table security_keys (
      id ${id},
      user_id ${integer} not null references users (id) on delete cascade,
      name ${text} not null,
      credential_id ${text} not null unique,
      public_key ${text} not null,
      counter ${integer} not null,
      transports ${text} not null,
      created_at_ms ${integer} not null,
      last_used_at_ms ${integer},
      unique (user_id, name)
    ) ${table}`,
    `create table recovery_codes (
      user_id ${integer} not null references users (id) on delete cascade,
      code_hash ${text} not null,
      created_at_ms ${integer} not null,
      primary key (user_id, code_hash)
    ) ${clustered}`,
    `create table used_tickets (
      id ${text} not null primary key,
      expires_at_ms ${integer} not null
    ) ${clustered}`,
    "create index used_tickets_expiry on used_tickets (expires_at_ms)",
    `create table sign_in_networks (
      user_id ${integer} not null references users (id) on delete cascade,
      network ${text} not null,
      last_at_ms ${integer} not null,
      primary key (user_id, network)
    ) ${clustered}`,
  ]);
}
