import type { Id } from "./column-types.ts";

/** Roles that are held for a time. */
export interface ElevationTables {
  elevation_roles: ElevationRolesTable;
  elevation_role_members: ElevationRoleMembersTable;
  elevations: ElevationsTable;
}

interface ElevationRolesTable {
  id: Id;
  namespace_id: number | null; // → namespaces, cascade; null = of the whole registry; unique with name
  name: string;
  description: string;
  is_administrator: number; // 1 = its holder administers the registry; only without a namespace
  grants: string; // JSON of {pattern, role}[]
  max_duration_seconds: number;
  requires_approval: number;
  alert_mail: string; // JSON of addresses
  alert_url: string | null; // posted to
  alert_secret: string | null; // sealed: signs what is posted
  mailed_sequence: number; // audit entries up to it have been looked at for mail
  posted_sequence: number; // … for posts
  post_failures: number; // in a row
  next_post_at_ms: number;
  created_at_ms: number;
  created_by: string;
}

/** Who may assume a role, and who may approve that: a user or a team. */
interface ElevationRoleMembersTable {
  id: Id;
  role_id: number; // → elevation_roles, cascade
  may: string; // 'assume' | 'approve'
  user_id: number | null; // → users, cascade
  team_id: number | null; // → teams, cascade
}

/** A role that somebody has asked for or holds. Its rights are rows of `grants` with this `elevation_id`. */
interface ElevationsTable {
  id: Id;
  role_id: number; // → elevation_roles, cascade
  user_id: number; // → users, cascade
  status: string; // 'pending' | 'active' | 'refused' | 'ended' | 'expired'
  reason: string;
  duration_seconds: number;
  is_administrator: number;
  requested_at_ms: number;
  expires_at_ms: number; // of the request while pending, of the rights while active; holds by itself
  decided_at_ms: number | null;
  decided_by: string | null;
  decision_reason: string | null;
  ended_at_ms: number | null;
  ended_by: string | null; // who ended it before its time
}
