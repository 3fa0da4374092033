import type { Id } from "./column-types.ts";

/** Who did what, sealed into a chain, and where that is sent. */
export interface AuditTables {
  audit_entries: AuditEntriesTable;
  audit_chain: AuditChainTable;
  audit_forwarders: AuditForwardersTable;
}

/**
 * Who did what, or tried to. Inserted by whoever does it; `sequence` and `hash` are filled in once, by the sealer. Triggers refuse every other
 * change, and deleting but for what `audit_chain.pruned_sequence` lets go.
 */
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
  elevations: string | null; // ids of the elevations that it was done under: ",3,17,"
  sequence: number | null; // place in the chain, from 1, without gaps; null = not sealed yet; unique
  hash: string | null; // hex SHA-256 of the hash before and of this entry
}

/** The end of the chain, and where it begins since entries were let go. One row, which only the sealer and retention touch. */
interface AuditChainTable {
  id: number; // 1
  sequence: number; // of the last sealed entry; 0 = none
  hash: string; // of that entry
  sealed_at_ms: number;
  signature: string; // Ed25519 of the three, base64url
  pruned_sequence: number; // entries up to it were let go; 0 = none
  pruned_hash: string; // of the last of them: what the first kept entry follows
  pruned_at_ms: number;
  pruned_signature: string;
  anchored_sequence: number; // what the last anchor said
  anchored_at_ms: number;
}

/** Where entries are sent as soon as they are sealed. */
interface AuditForwardersTable {
  id: Id;
  name: string; // unique
  kind: string; // 'syslog' | 'https'
  settings: string; // JSON
  secret: string | null; // sealed: the key that signs posts, or of the client certificate
  is_enabled: number;
  sent_sequence: number; // everything up to it has arrived
  sent_at_ms: number | null;
  failures: number; // in a row
  next_attempt_at_ms: number;
  last_error: string | null;
  created_at_ms: number;
  created_by: string;
}
