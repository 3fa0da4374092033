import type { ProviderTables } from "../tables/provider-tables.ts";
import type { ColumnsOf } from "./column-kind.ts";

export const providerColumns: ColumnsOf<ProviderTables> = {
  sign_in_providers: {
    id: "id",
    name: "text",
    kind: "text",
    display_name: "text",
    position: "integer",
    is_enabled: "integer",
    policy: "text",
    settings: "text",
    secrets: "text?",
    created_at_ms: "integer",
    updated_at_ms: "integer",
    synced_at_ms: "integer?",
    sync_report: "text?",
  },
  identities: {
    id: "id",
    provider_id: "integer",
    subject: "text",
    user_id: "integer",
    username: "text",
    email: "text?",
    is_governing: "integer",
    gives_admin: "integer",
    gives_auditor: "integer",
    is_restricted: "integer",
    lost_at_ms: "integer?",
    has_disabled_user: "integer",
    created_at_ms: "integer",
    confirmed_at_ms: "integer",
    last_sign_in_at_ms: "integer?",
  },
  identity_groups: { identity_id: "integer", name: "text" },
  team_bindings: {
    team_id: "integer",
    provider_id: "integer",
    group_name: "text",
    created_at_ms: "integer",
  },
};
