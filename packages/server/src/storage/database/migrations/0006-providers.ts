import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Sign-in providers, the identities that they vouch for, and the teams that their groups fill; what they mean is said in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { id, integer, text, table, clustered } = schemaWords(db);
  const flag = (name: string) => `${name} ${integer} not null check (${name} in (0, 1))`;
  await runStatements(db, [
    `create table sign_in_providers (
      id ${id},
      name ${text} not null unique,
      kind ${text} not null,
      display_name ${text} not null,
      position ${integer} not null,
      ${flag("is_enabled")},
      policy ${text} not null,
      settings ${text} not null,
      secrets ${text},
      created_at_ms ${integer} not null,
      updated_at_ms ${integer} not null,
      synced_at_ms ${integer},
      sync_report ${text}
    ) ${table}`,
    `create table identities (
      id ${id},
      provider_id ${integer} not null references sign_in_providers (id) on delete cascade,
      subject ${text} not null,
      user_id ${integer} not null references users (id) on delete cascade,
      username ${text} not null,
      email ${text},
      ${flag("is_governing")},
      ${flag("gives_admin")},
      ${flag("gives_auditor")},
      ${flag("is_restricted")},
      lost_at_ms ${integer},
      ${flag("has_disabled_user")},
      created_at_ms ${integer} not null,
      confirmed_at_ms ${integer} not null,
      last_sign_in_at_ms ${integer},
      unique (provider_id, subject)
    ) ${table}`,
    "create index identities_user on identities (user_id)",
    "create index identities_username on identities (provider_id, username)",
    `create table identity_groups (
      identity_id ${integer} not null references identities (id) on delete cascade,
      name ${text} not null,
      primary key (identity_id, name)
    ) ${clustered}`,
    "create index identity_groups_name on identity_groups (name)",
    `create table team_bindings (
      team_id ${integer} not null references teams (id) on delete cascade,
      provider_id ${integer} not null references sign_in_providers (id) on delete cascade,
      group_name ${text} not null,
      created_at_ms ${integer} not null,
      primary key (team_id, provider_id, group_name)
    ) ${clustered}`,
    "create index team_bindings_provider on team_bindings (provider_id, group_name)",
  ]);
}
