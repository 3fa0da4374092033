import type { Generated } from "kysely";
import type { Id } from "./column-types.ts";

/** Ways of signing in beside our own passwords, and whom they know. */
export interface ProviderTables {
  sign_in_providers: SignInProvidersTable;
  identities: IdentitiesTable;
  identity_groups: IdentityGroupsTable;
  team_bindings: TeamBindingsTable;
}

/** A directory or service that says who somebody is. */
interface SignInProvidersTable {
  id: Id;
  name: string; // unique; in addresses
  kind: string; // 'oidc' | 'ldap' | 'keystone' | 'external-jwt' | 'github' | 'google'
  display_name: string;
  position: number; // those that take passwords are asked in this order
  is_enabled: number;
  policy: string; // JSON: whom it lets in, and what its groups mean
  settings: string; // JSON, by kind; never a secret
  secrets: string | null; // JSON, sealed, context "sign-in provider NAME"
  created_at_ms: number;
  updated_at_ms: number;
  synced_at_ms: Generated<number | null>; // end of the last pass that went well
  sync_report: Generated<string | null>; // JSON: what the last pass did, or why it failed
}

/** One account at a provider that leads to one user here. */
interface IdentitiesTable {
  id: Id;
  provider_id: number; // → sign_in_providers, cascade; unique with subject
  subject: string; // what the provider calls them for good
  user_id: number; // → users, cascade; indexed
  username: string; // what they call themselves there; indexed with provider_id
  email: string | null;
  is_governing: number; // 1 = the user was made by it: when it is lost, so is the user
  gives_admin: number; // 1 = by its groups
  gives_auditor: number;
  is_restricted: number; // 1 = by its groups: creates nothing in their own namespace
  lost_at_ms: number | null; // the provider knows it no more since; null = it does
  has_disabled_user: number; // 1 = the user is disabled because it was lost, and enabled again when it is back
  created_at_ms: number;
  confirmed_at_ms: number; // when the provider last vouched for it
  last_sign_in_at_ms: number | null;
}

/** The groups of an identity, as the provider said last. */
interface IdentityGroupsTable {
  identity_id: number; // → identities, cascade; primary key (identity_id, name)
  name: string; // a DN in lower case, a claim's value, "organization/team"; indexed
}

/** The members of a group of the provider are members of the team. */
interface TeamBindingsTable {
  team_id: number; // → teams, cascade; primary key (team_id, provider_id, group_name)
  provider_id: number; // → sign_in_providers, cascade; indexed with group_name
  group_name: string;
  created_at_ms: number;
}
