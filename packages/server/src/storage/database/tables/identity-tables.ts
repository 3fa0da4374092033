import type { Generated } from "kysely";
import type { Id } from "./column-types.ts";

/** Who there is, what they show, and what they may. */
export interface IdentityTables {
  namespaces: NamespacesTable;
  users: UsersTable;
  refresh_tokens: RefreshTokensTable;
  signing_keys: SigningKeysTable;
  teams: TeamsTable;
  team_members: TeamMembersTable;
  grants: GrantsTable;
  default_grants: DefaultGrantsTable;
  namespace_aliases: NamespaceAliasesTable;
  repository_aliases: RepositoryAliasesTable;
}

/** The first component of repository names; single-component names lie in the default namespace. */
interface NamespacesTable {
  id: Id;
  name: string; // unique
  kind: string; // 'user' | 'organization'
  owner_user_id: number | null; // set for kind 'user'
  default_visibility: string; // 'private' | 'internal' | 'public': of repositories created by a push
  create_on_push: number; // 0 | 1
  created_at_ms: number;
  display_name: Generated<string | null>;
  description: Generated<string>;
  email: Generated<string | null>;
  requires_mfa: Generated<number>; // 1 = whoever has no second factor does nothing here through the management API
}

/**
 * Everybody who can sign in: people, robots (accounts of programs, owned by a namespace), issued accounts (made by an issuer for its customers) and
 * issuers (programs that make those).
 */
interface UsersTable {
  id: Id;
  username: string; // unique; people "ada", robots "acme+ci"
  kind: Generated<string>; // 'person' | 'robot' | 'issued' | 'issuer'
  password_hash: string | null; // argon2id PHC string; null = no password sign-in
  is_admin: number;
  is_auditor: Generated<number>; // 1 = may read all settings and the audit log, change nothing
  is_disabled: number;
  created_at_ms: number;
  created_by: Generated<string | null>; // name of the actor; null = nobody in particular
  full_name: Generated<string | null>;
  email: Generated<string | null>; // lower case; unique where not null
  email_verified_at_ms: Generated<number | null>;
  namespace_id: Generated<number | null>; // → namespaces, cascade: who owns a robot or an issuer
  issuer_user_id: Generated<number | null>; // → users, cascade: who made an issued account
  external_id: Generated<string | null>; // the issuer's own name for it; unique with issuer_user_id where not null
  description: Generated<string>;
  metadata: Generated<string>; // JSON object: for people and machines
  expires_at_ms: Generated<number | null>; // cannot sign in from then on; null = never
  last_sign_in_at_ms: Generated<number | null>;
  mfa_at_ms: Generated<number | null>; // last sign-in with a second factor, ours or a provider's; null = never, or it was reset
}

/** Refresh tokens of the token service: opaque, one subject and one service, revocable. */
interface RefreshTokensTable {
  id: Id;
  user_id: number; // → users, cascade
  access_token_id: number | null; // → access_tokens, cascade: dies with the token it was got with
  service: string;
  client_id: string;
  secret_hash: string; // unique; hex SHA-256
  created_at_ms: number;
  last_used_at_ms: number | null;
}

/** ES256 keys of the token service; the newest active one signs, all that are listed verify. */
interface SigningKeysTable {
  kid: string; // primary key
  private_jwk: string; // JSON
  public_jwk: string; // JSON
  created_at_ms: number;
  retires_at_ms: number; // no new signature from then on
  expires_at_ms: number; // no longer listed from then on
}

/** Sets of people and robots of an organization. */
interface TeamsTable {
  id: Id;
  namespace_id: number; // → namespaces, cascade; unique with name
  name: string;
  role: string; // 'member' | 'creator' | 'admin': in the organization
  description: string;
  created_at_ms: number;
}

interface TeamMembersTable {
  team_id: number; // → teams, cascade; primary key (team_id, user_id)
  user_id: number; // → users, cascade; indexed
  origin: string; // 'manual' | 'sync': who looks after the membership
  added_at_ms: number;
}

/** A role on one repository or on the paths of a pattern, for a user (of any kind) or a team: exactly one of each pair is set. */
interface GrantsTable {
  id: Id;
  namespace_id: number | null; // → namespaces, cascade: whose grant it is; null = of the whole registry
  repository_id: number | null; // → repositories, cascade
  pattern: string | null; // RepositoryPattern
  prefix: string | null; // literalPrefixOf(pattern); indexed
  user_id: number | null; // → users, cascade; indexed
  team_id: number | null; // → teams, cascade; indexed
  role: string; // 'read' | 'write' | 'admin'
  expires_at_ms: number | null; // holds no longer from then on; null = for good
  elevation_id: Generated<number | null>; // set when it holds for the time of an elevation only
  created_at_ms: number;
  created_by: string | null;
}

/** Grants that a new repository of the namespace starts with. */
interface DefaultGrantsTable {
  id: Id;
  namespace_id: number; // → namespaces, cascade; indexed
  creator_user_id: number | null; // → users, cascade: only for repositories that this one creates; null = whoever creates
  user_id: number | null; // → users, cascade
  team_id: number | null; // → teams, cascade
  role: string; // 'read' | 'write' | 'admin'
  created_at_ms: number;
}

/** Names that a namespace had or is also known by: they lead to it, and nobody else can take them. */
interface NamespaceAliasesTable {
  name: string; // primary key
  namespace_id: number | null; // → namespaces, cascade; null = reserved, leads nowhere
  created_at_ms: number;
}

/** Names that a repository had: pulls are led to the new one until somebody creates a repository of the old name. */
interface RepositoryAliasesTable {
  name: string; // primary key
  repository_id: number; // → repositories, cascade
  created_at_ms: number;
}
