import type { Kysely } from "kysely";
import { engineOf } from "../engine-of.ts";
import type { Tables } from "../tables.ts";
import { runStatements, type SchemaWords, schemaWords } from "./schema-words.ts";

/** The audit log sealed into a chain, where it is forwarded to, and roles that are held for a time; meanings are in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const words = schemaWords(db);
  const guards = engineOf(db) === "sqlite" ? sqliteGuards() : postgresGuards();
  await runStatements(db, [...chain(words), ...guards, ...forwarders(words), ...elevations(words)]);
}

/** Everything of an entry but what sealing adds. */
const written =
  "id at_ms action outcome actor actor_user_id credential credential_id address user_agent request_id namespace repository target before after detail elevations";

function chain({ integer, text, clustered }: SchemaWords): readonly string[] {
  return [
    `alter table audit_entries add column elevations ${text}`,
    `alter table audit_entries add column sequence ${integer}`,
    `alter table audit_entries add column hash ${text}`,
    "create unique index audit_entries_sequence on audit_entries (sequence) where sequence is not null",
    "create index audit_entries_unsealed on audit_entries (id) where sequence is null",
    "create index audit_entries_elevated on audit_entries (sequence) where elevations is not null",
    "drop index audit_entries_at",
    "create index audit_entries_at on audit_entries (at_ms, id)",
    "create index audit_entries_namespace on audit_entries (namespace, at_ms, id) where namespace is not null",
    "create index audit_entries_repository on audit_entries (repository, at_ms, id) where repository is not null",
    "create index audit_entries_actor on audit_entries (actor, at_ms, id)",
    `create table audit_chain (
      id ${integer} not null primary key check (id = 1),
      sequence ${integer} not null,
      hash ${text} not null,
      sealed_at_ms ${integer} not null,
      signature ${text} not null,
      pruned_sequence ${integer} not null,
      pruned_hash ${text} not null,
      pruned_at_ms ${integer} not null,
      pruned_signature ${text} not null,
      anchored_sequence ${integer} not null,
      anchored_at_ms ${integer} not null
    ) ${clustered}`,
  ];
}

const refusal = "audit entries are append-only";

/** Triggers keep our own code and a careless hand honest; who may drop triggers is found out by the chain. */
function sqliteGuards(): readonly string[] {
  const columns = written.split(" ");
  const row = (which: string) => `(${columns.map((name) => `${which}.${name}`).join(", ")})`;
  return [
    `create trigger audit_entries_update before update on audit_entries
      when not (old.sequence is null and new.sequence is not null and new.hash is not null and ${row("new")} is ${row("old")})
      begin select raise(abort, '${refusal}'); end`,
    `create trigger audit_entries_delete before delete on audit_entries
      when old.sequence is null or old.sequence > coalesce((select pruned_sequence from audit_chain where id = 1), 0)
      begin select raise(abort, '${refusal}'); end`,
  ];
}

function postgresGuards(): readonly string[] {
  const columns = written.split(" ");
  const row = (which: string) => `row(${columns.map((name) => `${which}.${name}`).join(", ")})`;
  return [
    `create function audit_entries_guard() returns trigger language plpgsql as $$
      begin
        if tg_op = 'UPDATE' then
          if old.sequence is null and new.sequence is not null and new.hash is not null
            and ${row("new")} is not distinct from ${row("old")} then return new; end if;
        elsif tg_op = 'DELETE' then
          if old.sequence <= (select pruned_sequence from audit_chain where id = 1) then return old; end if;
        end if;
        raise exception '${refusal}';
      end $$`,
    `create trigger audit_entries_guard before update or delete on audit_entries
      for each row execute function audit_entries_guard()`,
    `create trigger audit_entries_truncate before truncate on audit_entries
      for each statement execute function audit_entries_guard()`,
  ];
}

function forwarders({ id, integer, text, table }: SchemaWords): readonly string[] {
  return [
    `create table audit_forwarders (
      id ${id},
      name ${text} not null unique,
      kind ${text} not null,
      settings ${text} not null,
      secret ${text},
      is_enabled ${integer} not null check (is_enabled in (0, 1)),
      sent_sequence ${integer} not null,
      sent_at_ms ${integer},
      failures ${integer} not null,
      next_attempt_at_ms ${integer} not null,
      last_error ${text},
      created_at_ms ${integer} not null,
      created_by ${text} not null
    ) ${table}`,
  ];
}

function elevations({ id, integer, text, table }: SchemaWords): readonly string[] {
  return [
    `create table elevation_roles (
      id ${id},
      namespace_id ${integer} references namespaces (id) on delete cascade,
      name ${text} not null,
      description ${text} not null,
      is_administrator ${integer} not null check (is_administrator in (0, 1)),
      grants ${text} not null,
      max_duration_seconds ${integer} not null,
      requires_approval ${integer} not null check (requires_approval in (0, 1)),
      alert_mail ${text} not null,
      alert_url ${text},
      alert_secret ${text},
      mailed_sequence ${integer} not null,
      posted_sequence ${integer} not null,
      post_failures ${integer} not null,
      next_post_at_ms ${integer} not null,
      created_at_ms ${integer} not null,
      created_by ${text} not null,
      check (namespace_id is null or is_administrator = 0)
    ) ${table}`,
    "create unique index elevation_roles_name on elevation_roles (namespace_id, name) where namespace_id is not null",
    "create unique index elevation_roles_system on elevation_roles (name) where namespace_id is null",
    `create table elevation_role_members (
      id ${id},
      role_id ${integer} not null references elevation_roles (id) on delete cascade,
      may ${text} not null,
      user_id ${integer} references users (id) on delete cascade,
      team_id ${integer} references teams (id) on delete cascade,
      check ((user_id is null) <> (team_id is null))
    ) ${table}`,
    "create index elevation_role_members_role on elevation_role_members (role_id)",
    "create index elevation_role_members_user on elevation_role_members (user_id) where user_id is not null",
    "create index elevation_role_members_team on elevation_role_members (team_id) where team_id is not null",
    `create table elevations (
      id ${id},
      role_id ${integer} not null references elevation_roles (id) on delete cascade,
      user_id ${integer} not null references users (id) on delete cascade,
      status ${text} not null,
      reason ${text} not null,
      duration_seconds ${integer} not null,
      is_administrator ${integer} not null check (is_administrator in (0, 1)),
      requested_at_ms ${integer} not null,
      expires_at_ms ${integer} not null,
      decided_at_ms ${integer},
      decided_by ${text},
      decision_reason ${text},
      ended_at_ms ${integer},
      ended_by ${text}
    ) ${table}`,
    "create index elevations_user on elevations (user_id, id)",
    "create index elevations_role on elevations (role_id, id)",
    "create index elevations_open on elevations (expires_at_ms) where status in ('pending', 'active')",
  ];
}
