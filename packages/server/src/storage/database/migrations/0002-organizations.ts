import type { Kysely } from "kysely";
import { sql } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, type SchemaWords, schemaWords } from "./schema-words.ts";

/** Organizations with teams, robots, grants on paths, states of repositories, and the audit log; what they mean is said in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const words = schemaWords(db);
  await runStatements(db, [
    ...columns(words),
    ...teams(words),
    ...grants(words),
    ...aliases(words),
    ...activity(words),
  ]);
  await rewriteScopes(db);
}

function columns({ integer, text }: SchemaWords): readonly string[] {
  const users = [
    `kind ${text} not null default 'person'`,
    `is_auditor ${integer} not null default 0 check (is_auditor in (0, 1))`,
    `created_by ${text}`,
    `full_name ${text}`,
    `email ${text}`,
    `email_verified_at_ms ${integer}`,
    `namespace_id ${integer} references namespaces (id) on delete cascade`,
    `issuer_user_id ${integer} references users (id) on delete cascade`,
    `external_id ${text}`,
    `description ${text} not null default ''`,
    `metadata ${text} not null default '{}'`,
    `expires_at_ms ${integer}`,
    `last_sign_in_at_ms ${integer}`,
  ];
  const namespaces = [`display_name ${text}`, `description ${text} not null default ''`, `email ${text}`];
  const repositories = [`state ${text} not null default 'active'`, `description ${text} not null default ''`];
  return [
    ...users.map((column) => `alter table users add column ${column}`),
    ...namespaces.map((column) => `alter table namespaces add column ${column}`),
    ...repositories.map((column) => `alter table repositories add column ${column}`),
    "create unique index users_email on users (email) where email is not null",
    "create index users_namespace on users (namespace_id) where namespace_id is not null",
    "create unique index users_external on users (issuer_user_id, external_id) where external_id is not null",
    "create index users_issuer on users (issuer_user_id, id) where issuer_user_id is not null",
  ];
}

function teams({ id, integer, text, table, clustered }: SchemaWords): readonly string[] {
  return [
    `create table teams (
      id ${id},
      namespace_id ${integer} not null references namespaces (id) on delete cascade,
      name ${text} not null,
      role ${text} not null,
      description ${text} not null,
      created_at_ms ${integer} not null,
      unique (namespace_id, name)
    ) ${table}`,
    `create table team_members (
      team_id ${integer} not null references teams (id) on delete cascade,
      user_id ${integer} not null references users (id) on delete cascade,
      origin ${text} not null,
      added_at_ms ${integer} not null,
      primary key (team_id, user_id)
    ) ${clustered}`,
    "create index team_members_user on team_members (user_id)",
  ];
}

function grants({ id, integer, text, table }: SchemaWords): readonly string[] {
  return [
    // No release had the table of 0001, so nothing that runs needs it any more.
    "alter table grants rename to grants_before",
    "drop index grants_repository",
    `create table grants (
      id ${id},
      namespace_id ${integer} references namespaces (id) on delete cascade,
      repository_id ${integer} references repositories (id) on delete cascade,
      pattern ${text},
      prefix ${text},
      user_id ${integer} references users (id) on delete cascade,
      team_id ${integer} references teams (id) on delete cascade,
      role ${text} not null,
      expires_at_ms ${integer},
      elevation_id ${integer},
      created_at_ms ${integer} not null,
      created_by ${text},
      check ((repository_id is null) <> (pattern is null)),
      check ((pattern is null) = (prefix is null)),
      check ((user_id is null) <> (team_id is null))
    ) ${table}`,
    // An elevation's grants stand beside the others.
    "create unique index grants_user_repository on grants (user_id, repository_id) where user_id is not null and repository_id is not null and elevation_id is null",
    "create unique index grants_team_repository on grants (team_id, repository_id) where team_id is not null and repository_id is not null and elevation_id is null",
    "create unique index grants_user_pattern on grants (user_id, pattern) where user_id is not null and pattern is not null and elevation_id is null",
    "create unique index grants_team_pattern on grants (team_id, pattern) where team_id is not null and pattern is not null and elevation_id is null",
    "create index grants_of_user on grants (user_id, prefix) where user_id is not null",
    "create index grants_of_team on grants (team_id, prefix) where team_id is not null",
    "create index grants_repository on grants (repository_id) where repository_id is not null",
    "create index grants_namespace on grants (namespace_id, id)",
    "create index grants_elevation on grants (elevation_id) where elevation_id is not null",
    `insert into grants (namespace_id, repository_id, user_id, role, created_at_ms)
      select r.namespace_id, g.repository_id, g.user_id, g.role, g.created_at_ms
      from grants_before g join repositories r on r.id = g.repository_id`,
    "drop table grants_before",
    `create table default_grants (
      id ${id},
      namespace_id ${integer} not null references namespaces (id) on delete cascade,
      creator_user_id ${integer} references users (id) on delete cascade,
      user_id ${integer} references users (id) on delete cascade,
      team_id ${integer} references teams (id) on delete cascade,
      role ${text} not null,
      created_at_ms ${integer} not null,
      check ((user_id is null) <> (team_id is null))
    ) ${table}`,
    "create index default_grants_namespace on default_grants (namespace_id)",
  ];
}

function aliases({ integer, text, clustered }: SchemaWords): readonly string[] {
  return [
    `create table namespace_aliases (
      name ${text} not null primary key,
      namespace_id ${integer} references namespaces (id) on delete cascade,
      created_at_ms ${integer} not null
    ) ${clustered}`,
    "create index namespace_aliases_namespace on namespace_aliases (namespace_id) where namespace_id is not null",
    `create table repository_aliases (
      name ${text} not null primary key,
      repository_id ${integer} not null references repositories (id) on delete cascade,
      created_at_ms ${integer} not null
    ) ${clustered}`,
    "create index repository_aliases_repository on repository_aliases (repository_id)",
  ];
}

function activity({ id, integer, text, table, clustered }: SchemaWords): readonly string[] {
  return [
    `create table audit_entries (
      id ${id},
      at_ms ${integer} not null,
      action ${text} not null,
      outcome ${text} not null,
      actor ${text} not null,
      actor_user_id ${integer},
      credential ${text},
      credential_id ${integer},
      address ${text},
      user_agent ${text},
      request_id ${text},
      namespace ${text},
      repository ${text},
      target ${text} not null,
      before ${text},
      after ${text},
      detail ${text}
    ) ${table}`,
    "create index audit_entries_at on audit_entries (at_ms)",
    `create table facts (
      name ${text} not null primary key,
      value ${text} not null
    ) ${clustered}`,
  ];
}

/** Scopes of access tokens were text ("repository:acme/app:pull"); they are JSON now. */
async function rewriteScopes(db: Kysely<Tables>): Promise<void> {
  const rows = await sql<{ id: number; scopes: string }>`
    select id, scopes from access_tokens where scopes is not null`.execute(db);
  for (const { id, scopes } of rows.rows) {
    const parts = scopes.split(" ").flatMap((part) => {
      const [, name, actions] = /^repository:(.+):([a-z,*]+)$/.exec(part) ?? [];
      if (name === undefined || actions === undefined) return [];
      const all = ["pull", "push", "delete", "admin"];
      return [{ repositories: name, actions: actions.includes("*") ? all : actions.split(",") }];
    });
    await sql`update access_tokens set scopes = ${JSON.stringify(parts)} where id = ${id}`.execute(db);
  }
}
