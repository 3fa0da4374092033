import type { Id } from "./column-types.ts";

export interface InvitationTables {
  invitations: InvitationsTable;
}

/** Somebody is asked into a team: by an e-mail address, whoever has it, or by an account; one per team and invited. */
interface InvitationsTable {
  id: Id;
  namespace_id: number; // → namespaces, cascade; indexed with id
  team_id: number; // → teams, cascade; unique with email and with user_id
  email: string | null; // lower case
  user_id: number | null; // → users, cascade
  secret_hash: string; // unique; hex SHA-256
  invited_by: string; // name of the actor
  created_at_ms: number;
  expires_at_ms: number; // cannot be accepted from then on; indexed
}
