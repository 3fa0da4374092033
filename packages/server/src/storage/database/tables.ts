import type { ActivityTables } from "./tables/activity-tables.ts";
import type { AuditTables } from "./tables/audit-tables.ts";
import type { ContentTables } from "./tables/content-tables.ts";
import type { CredentialTables } from "./tables/credential-tables.ts";
import type { ElevationTables } from "./tables/elevation-tables.ts";
import type { EmailTables } from "./tables/email-tables.ts";
import type { FederationTables } from "./tables/federation-tables.ts";
import type { IdentityTables } from "./tables/identity-tables.ts";
import type { InvitationTables } from "./tables/invitation-tables.ts";
import type { JobTables } from "./tables/job-tables.ts";
import type { OperationTables } from "./tables/operation-tables.ts";
import type { OutsideTables } from "./tables/outside-tables.ts";
import type { ProviderTables } from "./tables/provider-tables.ts";
import type { RegionTables } from "./tables/region-tables.ts";
import type { SessionTables } from "./tables/session-tables.ts";

/**
 * The tables, as both engines have them. Times are milliseconds since the epoch, booleans are 0 or 1, digests and names
 * are text in byte order (SQLite BINARY, PostgreSQL COLLATE "C"), ids are 64-bit integers.
 *
 *   namespaces ─┬─< repositories ─┬─< repository_blobs >── blobs
 *     │         └─< teams           ├─< manifests ─< manifest_references   (edges by digest: a target may be absent)
 *     └ owner        │ └─< grants    ├─< tags ── tag_history
 *   users ──────┬─< team_members     ├─< uploads
 *               ├─< access_tokens    └─< grants
 *               │     └─< access_token_secrets
 *               └─< grants
 *
 * What keeps content alive (lifecycle/garbage-collection/README.md):
 *   a manifest  by a tag, by an index in the repository that lists it, by its subject, or by nothing at all (kept, unless its
 *               last parent was deleted);
 *   a link      (repository_blobs) by a manifest of the repository that names the digest;
 *   a blob      by a link of any repository.
 * `unreferenced_since_ms` is set and cleared by the same transactions that make and break these holds.
 */
export interface Tables
  extends ActivityTables,
    AuditTables,
    ContentTables,
    CredentialTables,
    ElevationTables,
    EmailTables,
    FederationTables,
    IdentityTables,
    InvitationTables,
    JobTables,
    OperationTables,
    OutsideTables,
    ProviderTables,
    RegionTables,
    SessionTables {}
