import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import type { Database } from "./database.ts";
import type { Tables } from "./tables.ts";
import type { ColumnsOf } from "./testing/column-kind.ts";
import { contentColumns } from "./testing/content-columns.ts";
import { eachDatabase } from "./testing/each-database.ts";
import { emailColumns } from "./testing/email-columns.ts";
import { jobColumns } from "./testing/job-columns.ts";
import { operationColumns } from "./testing/operation-columns.ts";
import { outsideColumns } from "./testing/outside-columns.ts";
import { providerColumns } from "./testing/provider-columns.ts";
import { regionColumns } from "./testing/region-columns.ts";

/** The compiler checks that no table and no column of tables.ts is missing here; the test, that the databases have just these. */
const expected: ColumnsOf<Tables> = {
  namespaces: {
    id: "id",
    name: "text",
    kind: "text",
    owner_user_id: "integer?",
    default_visibility: "text",
    create_on_push: "integer",
    created_at_ms: "integer",
    display_name: "text?",
    description: "text",
    email: "text?",
    requires_mfa: "integer",
  },
  users: {
    id: "id",
    username: "text",
    kind: "text",
    password_hash: "text?",
    is_admin: "integer",
    is_auditor: "integer",
    is_disabled: "integer",
    created_at_ms: "integer",
    created_by: "text?",
    full_name: "text?",
    email: "text?",
    email_verified_at_ms: "integer?",
    namespace_id: "integer?",
    issuer_user_id: "integer?",
    external_id: "text?",
    description: "text",
    metadata: "text",
    expires_at_ms: "integer?",
    last_sign_in_at_ms: "integer?",
    mfa_at_ms: "integer?",
  },
  teams: {
    id: "id",
    namespace_id: "integer",
    name: "text",
    role: "text",
    description: "text",
    created_at_ms: "integer",
  },
  team_members: { team_id: "integer", user_id: "integer", origin: "text", added_at_ms: "integer" },
  default_grants: {
    id: "id",
    namespace_id: "integer",
    creator_user_id: "integer?",
    user_id: "integer?",
    team_id: "integer?",
    role: "text",
    created_at_ms: "integer",
  },
  invitations: {
    id: "id",
    namespace_id: "integer",
    team_id: "integer",
    email: "text?",
    user_id: "integer?",
    secret_hash: "text",
    invited_by: "text",
    created_at_ms: "integer",
    expires_at_ms: "integer",
  },
  namespace_aliases: { name: "text", namespace_id: "integer?", created_at_ms: "integer" },
  repository_aliases: { name: "text", repository_id: "integer", created_at_ms: "integer" },
  audit_entries: {
    id: "id",
    at_ms: "integer",
    action: "text",
    outcome: "text",
    actor: "text",
    actor_user_id: "integer?",
    credential: "text?",
    credential_id: "integer?",
    address: "text?",
    user_agent: "text?",
    request_id: "text?",
    namespace: "text?",
    repository: "text?",
    target: "text",
    before: "text?",
    after: "text?",
    detail: "text?",
    elevations: "text?",
    sequence: "integer?",
    hash: "text?",
  },
  audit_chain: {
    id: "integer",
    sequence: "integer",
    hash: "text",
    sealed_at_ms: "integer",
    signature: "text",
    pruned_sequence: "integer",
    pruned_hash: "text",
    pruned_at_ms: "integer",
    pruned_signature: "text",
    anchored_sequence: "integer",
    anchored_at_ms: "integer",
  },
  audit_forwarders: {
    id: "id",
    name: "text",
    kind: "text",
    settings: "text",
    secret: "text?",
    is_enabled: "integer",
    sent_sequence: "integer",
    sent_at_ms: "integer?",
    failures: "integer",
    next_attempt_at_ms: "integer",
    last_error: "text?",
    created_at_ms: "integer",
    created_by: "text",
  },
  elevation_roles: {
    id: "id",
    namespace_id: "integer?",
    name: "text",
    description: "text",
    is_administrator: "integer",
    grants: "text",
    max_duration_seconds: "integer",
    requires_approval: "integer",
    alert_mail: "text",
    alert_url: "text?",
    alert_secret: "text?",
    mailed_sequence: "integer",
    posted_sequence: "integer",
    post_failures: "integer",
    next_post_at_ms: "integer",
    created_at_ms: "integer",
    created_by: "text",
  },
  elevation_role_members: {
    id: "id",
    role_id: "integer",
    may: "text",
    user_id: "integer?",
    team_id: "integer?",
  },
  elevations: {
    id: "id",
    role_id: "integer",
    user_id: "integer",
    status: "text",
    reason: "text",
    duration_seconds: "integer",
    is_administrator: "integer",
    requested_at_ms: "integer",
    expires_at_ms: "integer",
    decided_at_ms: "integer?",
    decided_by: "text?",
    decision_reason: "text?",
    ended_at_ms: "integer?",
    ended_by: "text?",
  },
  ...providerColumns,
  access_tokens: {
    id: "id",
    public_id: "text",
    user_id: "integer",
    kind: "text",
    name: "text",
    description: "text",
    scopes: "text?",
    networks: "text?",
    created_at_ms: "integer",
    not_before_ms: "integer?",
    expires_at_ms: "integer?",
    last_used_at_ms: "integer?",
    last_used_address: "text?",
    max_pulls_per_hour: "integer?",
    max_requests_per_minute: "integer?",
  },
  access_token_secrets: {
    id: "id",
    access_token_id: "integer",
    secret_hash: "text",
    is_legacy: "integer",
    created_at_ms: "integer",
    expires_at_ms: "integer?",
  },
  issuers: {
    user_id: "integer",
    repositories: "text",
    actions: "text",
    max_lifetime_seconds: "integer?",
    max_active: "integer?",
    require_expiry: "integer",
    networks: "text?",
    max_pulls_per_hour: "integer?",
  },
  issued_labels: { issuer_user_id: "integer", name: "text", value: "text", user_id: "integer" },
  credential_usage: {
    access_token_id: "integer",
    day: "integer",
    repository: "text",
    pulls: "integer",
    pushes: "integer",
    bytes_out: "integer",
    bytes_in: "integer",
  },
  credential_pulls: { access_token_id: "integer", hour: "integer", pulls: "integer" },
  refresh_tokens: {
    id: "id",
    user_id: "integer",
    access_token_id: "integer?",
    service: "text",
    client_id: "text",
    secret_hash: "text",
    created_at_ms: "integer",
    last_used_at_ms: "integer?",
  },
  signing_keys: {
    kid: "text",
    private_jwk: "text",
    public_jwk: "text",
    created_at_ms: "integer",
    retires_at_ms: "integer",
    expires_at_ms: "integer",
  },
  grants: {
    id: "id",
    namespace_id: "integer?",
    repository_id: "integer?",
    pattern: "text?",
    prefix: "text?",
    user_id: "integer?",
    team_id: "integer?",
    role: "text",
    expires_at_ms: "integer?",
    elevation_id: "integer?",
    created_at_ms: "integer",
    created_by: "text?",
  },
  ...contentColumns,
  ...outsideColumns,
  sessions: {
    id: "id",
    user_id: "integer",
    secret_hash: "text",
    password_epoch: "text",
    method: "text",
    amr: "text",
    created_at_ms: "integer",
    last_seen_at_ms: "integer",
    authenticated_at_ms: "integer",
    mfa_at_ms: "integer?",
    expires_at_ms: "integer",
    address: "text",
    user_agent: "text?",
  },
  totp_seeds: {
    user_id: "integer",
    seed: "text",
    last_counter: "integer",
    created_at_ms: "integer",
    last_used_at_ms: "integer?",
  },
  security_keys: {
    id: "id",
    user_id: "integer",
    name: "text",
    credential_id: "text",
    public_key: "text",
    counter: "integer",
    transports: "text",
    created_at_ms: "integer",
    last_used_at_ms: "integer?",
  },
  recovery_codes: { user_id: "integer", code_hash: "text", created_at_ms: "integer" },
  used_tickets: { id: "text", expires_at_ms: "integer" },
  sign_in_networks: { user_id: "integer", network: "text", last_at_ms: "integer" },
  seen_networks: { user_id: "integer", network: "text", last_at_ms: "integer" },
  events: { id: "id", at_ms: "integer", kind: "text", repository: "text?", actor: "text", payload: "text" },
  ...emailColumns,
  ...jobColumns,
  ...regionColumns,
  ...operationColumns,
};

eachDatabase((open) => {
  test("makes exactly the tables and columns that tables.ts describes", async (t) => {
    const database = await open(t, { url: await open.url(t, "empty") });
    assert.deepEqual(await columnsOf(database), expected);
  });
});

async function columnsOf(database: Database): Promise<Record<string, Record<string, string>>> {
  const query =
    database.engine === "sqlite"
      ? sql<Column>`select t.name as "table", c.name as "column", lower(c.type) as "type", c."notnull" as required,
            t.sql like '%' || c.name || ' integer primary key autoincrement%' as id
          from sqlite_schema t, pragma_table_info(t.name) c
          where t.type = 'table' and t.name not like 'sqlite%' and t.name not like 'kysely%'`
      : sql<Column>`select table_name as "table", column_name as "column", data_type as "type",
            is_nullable = 'NO' as required, is_identity = 'YES' as id
          from information_schema.columns where table_schema = 'public' and table_name not like 'kysely%'`;
  const tables: Record<string, Record<string, string>> = {};
  for (const column of (await query.execute(database.read)).rows) {
    const table = (tables[column.table] ??= {});
    table[column.column] = kindOf(column);
  }
  return tables;
}

interface Column {
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly required: number;
  readonly id: number;
}

function kindOf(column: Column): string {
  if (column.id === 1) return "id";
  const type = { integer: "integer", bigint: "integer", text: "text", blob: "bytes", bytea: "bytes" }[
    column.type
  ];
  return `${type}${column.required === 1 ? "" : "?"}`;
}
