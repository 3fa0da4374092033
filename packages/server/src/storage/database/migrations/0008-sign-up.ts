import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Accounts asked for by e-mail, and links that change one; what they mean is said in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { id, integer, text, table } = schemaWords(db);
  await runStatements(db, [
    `create table sign_ups (
      id ${id},
      username ${text} not null,
      email ${text} not null,
      password_hash ${text} not null,
      token_hash ${text} not null unique,
      created_at_ms ${integer} not null,
      expires_at_ms ${integer} not null
    ) ${table}`,
    "create index sign_ups_username on sign_ups (username, id)",
    "create index sign_ups_email on sign_ups (email)",
    "create index sign_ups_expiry on sign_ups (expires_at_ms)",
    `create table account_links (
      id ${id},
      kind ${text} not null,
      user_id ${integer} not null references users (id) on delete cascade,
      token_hash ${text} not null unique,
      email ${text},
      created_at_ms ${integer} not null,
      expires_at_ms ${integer} not null
    ) ${table}`,
    "create index account_links_user on account_links (user_id)",
    "create index account_links_expiry on account_links (expires_at_ms)",
  ]);
}
