import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, type SchemaWords, schemaWords } from "./schema-words.ts";

/** All tables as of the first release; what they mean is said in tables.ts. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const words = schemaWords(db);
  await runStatements(db, [
    ...identityTables(words),
    ...contentTables(words),
    ...manifestTables(words),
    ...activityTables(words),
    "insert into counters (name, value) values ('access', 0)",
  ]);
}

function identityTables({ id, integer, text, table, clustered }: SchemaWords): readonly string[] {
  return [
    `create table users (
      id ${id},
      username ${text} not null unique,
      password_hash ${text},
      is_admin ${integer} not null check (is_admin in (0, 1)),
      is_disabled ${integer} not null check (is_disabled in (0, 1)),
      created_at_ms ${integer} not null
    ) ${table}`,
    `create table namespaces (
      id ${id},
      name ${text} not null unique,
      kind ${text} not null,
      owner_user_id ${integer} references users (id),
      default_visibility ${text} not null,
      create_on_push ${integer} not null check (create_on_push in (0, 1)),
      created_at_ms ${integer} not null
    ) ${table}`,
    "create index namespaces_owner on namespaces (owner_user_id) where owner_user_id is not null",
    `create table repositories (
      id ${id},
      name ${text} not null unique,
      namespace_id ${integer} not null references namespaces (id),
      visibility ${text} not null,
      created_at_ms ${integer} not null
    ) ${table}`,
    "create index repositories_namespace on repositories (namespace_id)",
    `create table access_tokens (
      id ${id},
      user_id ${integer} not null references users (id) on delete cascade,
      name ${text} not null,
      secret_hash ${text} not null unique,
      scopes ${text},
      created_at_ms ${integer} not null,
      expires_at_ms ${integer},
      last_used_at_ms ${integer},
      unique (user_id, name)
    ) ${table}`,
    `create table refresh_tokens (
      id ${id},
      user_id ${integer} not null references users (id) on delete cascade,
      access_token_id ${integer} references access_tokens (id) on delete cascade,
      service ${text} not null,
      client_id ${text} not null,
      secret_hash ${text} not null unique,
      created_at_ms ${integer} not null,
      last_used_at_ms ${integer}
    ) ${table}`,
    "create index refresh_tokens_user on refresh_tokens (user_id)",
    "create index refresh_tokens_access_token on refresh_tokens (access_token_id) where access_token_id is not null",
    `create table signing_keys (
      kid ${text} not null primary key,
      private_jwk ${text} not null,
      public_jwk ${text} not null,
      created_at_ms ${integer} not null,
      retires_at_ms ${integer} not null,
      expires_at_ms ${integer} not null
    ) ${clustered}`,
    `create table grants (
      id ${id},
      user_id ${integer} not null references users (id) on delete cascade,
      repository_id ${integer} not null references repositories (id) on delete cascade,
      role ${text} not null,
      created_at_ms ${integer} not null,
      unique (user_id, repository_id)
    ) ${table}`,
    "create index grants_repository on grants (repository_id)",
  ];
}

function contentTables({ id, integer, text, table, clustered }: SchemaWords): readonly string[] {
  return [
    `create table blobs (
      id ${id},
      digest ${text} not null unique,
      size_bytes ${integer} not null check (size_bytes >= 0),
      location ${text} not null,
      created_at_ms ${integer} not null,
      unreferenced_since_ms ${integer}
    ) ${table}`,
    "create index blobs_unreferenced on blobs (unreferenced_since_ms) where unreferenced_since_ms is not null",
    // restrict: a linked blob cannot be deleted, whatever a bug may try
    `create table repository_blobs (
      repository_id ${integer} not null references repositories (id) on delete cascade,
      digest ${text} not null,
      blob_id ${integer} not null references blobs (id) on delete restrict,
      unreferenced_since_ms ${integer},
      primary key (repository_id, digest)
    ) ${clustered}`,
    "create index repository_blobs_blob on repository_blobs (blob_id)",
    "create index repository_blobs_unreferenced on repository_blobs (unreferenced_since_ms) where unreferenced_since_ms is not null",
    `create table uploads (
      id ${text} not null primary key,
      repository_id ${integer} not null references repositories (id) on delete cascade,
      algorithm ${text} not null,
      offset_bytes ${integer} not null check (offset_bytes >= 0),
      digest_so_far ${text} not null,
      committing_digest ${text},
      claimed_by ${text},
      claimed_until_ms ${integer} not null,
      created_at_ms ${integer} not null,
      updated_at_ms ${integer} not null
    ) ${clustered}`,
    "create index uploads_repository on uploads (repository_id)",
    "create index uploads_updated on uploads (updated_at_ms)",
    `create table blob_deletions (
      location ${text} not null primary key,
      digest ${text} not null,
      size_bytes ${integer} not null check (size_bytes >= 0),
      not_before_ms ${integer} not null
    ) ${clustered}`,
    "create index blob_deletions_not_before on blob_deletions (not_before_ms)",
  ];
}

function manifestTables({ id, integer, text, bytes, table, clustered }: SchemaWords): readonly string[] {
  return [
    // body comes last: SQLite reads a row from its start, and what lies behind a large body is many pages away.
    `create table manifests (
      id ${id},
      repository_id ${integer} not null references repositories (id) on delete cascade,
      digest ${text} not null,
      media_type ${text} not null,
      artifact_type ${text},
      subject_digest ${text},
      size_bytes ${integer} not null check (size_bytes >= 0),
      created_at_ms ${integer} not null,
      unreferenced_since_ms ${integer},
      orphaned ${integer} not null check (orphaned in (0, 1)),
      annotations ${text} not null,
      body ${bytes} not null,
      unique (repository_id, digest)
    ) ${table}`,
    "create index manifests_subject on manifests (repository_id, subject_digest, id) where subject_digest is not null",
    "create index manifests_unreferenced on manifests (orphaned, unreferenced_since_ms) where unreferenced_since_ms is not null",
    // repository_id repeats the manifest's; it needs no foreign key of its own, the manifest's cascade covers it.
    `create table manifest_references (
      manifest_id ${integer} not null references manifests (id) on delete cascade,
      repository_id ${integer} not null,
      digest ${text} not null,
      kind ${text} not null,
      primary key (manifest_id, digest, kind)
    ) ${clustered}`,
    "create index manifest_references_digest on manifest_references (repository_id, digest)",
    // No cascade from the manifest: a tagged manifest is not deleted by accident.
    `create table tags (
      repository_id ${integer} not null references repositories (id) on delete cascade,
      name ${text} not null,
      manifest_id ${integer} not null references manifests (id),
      updated_at_ms ${integer} not null,
      primary key (repository_id, name)
    ) ${clustered}`,
    "create index tags_manifest on tags (manifest_id)",
    `create table tag_history (
      id ${id},
      repository_id ${integer} not null references repositories (id) on delete cascade,
      tag ${text} not null,
      digest_before ${text},
      digest_after ${text},
      actor ${text} not null,
      at_ms ${integer} not null
    ) ${table}`,
    "create index tag_history_tag on tag_history (repository_id, tag, id)",
  ];
}

function activityTables({ id, integer, text, table, clustered }: SchemaWords): readonly string[] {
  return [
    `create table events (
      id ${id},
      at_ms ${integer} not null,
      kind ${text} not null,
      repository ${text},
      actor ${text} not null,
      payload ${text} not null
    ) ${table}`,
    "create index events_at on events (at_ms)",
    `create table leases (
      name ${text} not null primary key,
      holder ${text} not null,
      expires_at_ms ${integer} not null
    ) ${clustered}`,
    `create table counters (
      name ${text} not null primary key,
      value ${integer} not null
    ) ${clustered}`,
  ];
}
