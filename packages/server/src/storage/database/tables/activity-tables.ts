import type { Id } from "./column-types.ts";

/** What happened. */
export interface ActivityTables {
  events: EventsTable;
  audit_entries: AuditEntriesTable;
}

/** Outbox: what happened, in the transaction that made it happen. Pruned by age. */
interface EventsTable {
  id: Id;
  at_ms: number; // indexed
  kind: string; // 'manifest.pushed' | 'manifest.deleted' | 'tag.updated' | 'tag.deleted' | 'repository.created' | 'blob.mounted' | …
  repository: string | null;
  actor: string;
  payload: string; // JSON
}

/** Who did what, or tried to. Only inserted; what seals and prunes it is in activity/audit. */
interface AuditEntriesTable {
  id: Id;
  at_ms: number;
  action: string; // "team.create"
  outcome: string; // 'succeeded' | 'denied' | 'failed'
  actor: string; // name
  actor_user_id: number | null; // no foreign key: entries outlive users
  credential: string | null; // what was shown: 'password', 'access-token', …
  credential_id: number | null;
  address: string | null;
  user_agent: string | null;
  request_id: string | null;
  namespace: string | null;
  repository: string | null;
  target: string; // "team acme/release"
  before: string | null; // JSON
  after: string | null; // JSON
  detail: string | null; // JSON
}
