import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Invitations to teams; grants that ran out are found, and what hangs on an account by default grants goes, by an index. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { id, integer, text, table } = schemaWords(db);
  await runStatements(db, [
    `create table invitations (
      id ${id},
      namespace_id ${integer} not null references namespaces (id) on delete cascade,
      team_id ${integer} not null references teams (id) on delete cascade,
      email ${text},
      user_id ${integer} references users (id) on delete cascade,
      secret_hash ${text} not null unique,
      invited_by ${text} not null,
      created_at_ms ${integer} not null,
      expires_at_ms ${integer} not null,
      check ((email is null) <> (user_id is null))
    ) ${table}`,
    "create index invitations_namespace on invitations (namespace_id, id)",
    "create unique index invitations_email on invitations (team_id, email) where email is not null",
    "create unique index invitations_user_team on invitations (team_id, user_id) where user_id is not null",
    "create index invitations_team on invitations (team_id)",
    "create index invitations_user on invitations (user_id) where user_id is not null",
    "create index invitations_expiry on invitations (expires_at_ms)",
    "create index grants_expiry on grants (expires_at_ms) where expires_at_ms is not null",
    "create index default_grants_creator on default_grants (creator_user_id) where creator_user_id is not null",
    "create index default_grants_user on default_grants (user_id) where user_id is not null",
    "create index default_grants_team on default_grants (team_id) where team_id is not null",
  ]);
}
