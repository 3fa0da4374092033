import type { ColumnType, Generated } from "kysely";

/**
 * The tables, as both engines have them. Times are milliseconds since the epoch, booleans are 0 or 1, digests and names
 * are text in byte order (SQLite BINARY, PostgreSQL COLLATE "C"), ids are 64-bit integers.
 *
 *   namespaces ─┬─< repositories ─┬─< repository_blobs >── blobs
 *   users ──────┤                 ├─< manifests ─< manifest_references   (edges by digest: a target may be absent)
 *     │         └ owner           ├─< tags ── tag_history
 *     ├─< access_tokens           ├─< uploads
 *     ├─< refresh_tokens          └─< grants
 *     └─< grants
 *
 * What keeps content alive (lifecycle/garbage-collection/README.md):
 *   a manifest  by a tag, by an index in the repository that lists it, by its subject, or by nothing at all (kept, unless its
 *               last parent was deleted);
 *   a link      (repository_blobs) by a manifest of the repository that names the digest;
 *   a blob      by a link of any repository.
 * `unreferenced_since_ms` is set and cleared by the same transactions that make and break these holds.
 */
export interface Tables {
  namespaces: NamespacesTable;
  users: UsersTable;
  access_tokens: AccessTokensTable;
  refresh_tokens: RefreshTokensTable;
  signing_keys: SigningKeysTable;
  grants: GrantsTable;
  repositories: RepositoriesTable;
  blobs: BlobsTable;
  repository_blobs: RepositoryBlobsTable;
  manifests: ManifestsTable;
  manifest_references: ManifestReferencesTable;
  tags: TagsTable;
  tag_history: TagHistoryTable;
  uploads: UploadsTable;
  blob_deletions: BlobDeletionsTable;
  events: EventsTable;
  leases: LeasesTable;
  counters: CountersTable;
}

type Id = Generated<number>;
type Bytes = ColumnType<Uint8Array, Uint8Array, Uint8Array>;

/** The first component of repository names; single-component names lie in the default namespace. */
export interface NamespacesTable {
  id: Id;
  name: string; // unique
  kind: string; // 'user' | 'organization'
  owner_user_id: number | null; // set for kind 'user'
  default_visibility: string; // 'private' | 'public': of repositories created by a push
  create_on_push: number; // 0 | 1
  created_at_ms: number;
}

export interface UsersTable {
  id: Id;
  username: string; // unique
  password_hash: string | null; // argon2id PHC string; null = no password sign-in
  is_admin: number;
  is_disabled: number;
  created_at_ms: number;
}

/** Personal access tokens. The secret has 256 random bits, so a plain SHA-256 is a fit hash. */
export interface AccessTokensTable {
  id: Id;
  user_id: number; // → users, cascade
  name: string; // unique per user
  secret_hash: string; // unique; hex SHA-256
  scopes: string | null; // scopes that limit the token, as text ("repository:a/b:pull"); null = all that its user may
  created_at_ms: number;
  expires_at_ms: number | null;
  last_used_at_ms: number | null;
}

/** Refresh tokens of the token service: opaque, one subject and one service, revocable. */
export interface RefreshTokensTable {
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
export interface SigningKeysTable {
  kid: string; // primary key
  private_jwk: string; // JSON
  public_jwk: string; // JSON
  created_at_ms: number;
  retires_at_ms: number; // no new signature from then on
  expires_at_ms: number; // no longer listed from then on
}

export interface GrantsTable {
  id: Id;
  user_id: number; // → users, cascade
  repository_id: number; // → repositories, cascade; unique with user_id
  role: string; // 'read' | 'write' | 'admin'
  created_at_ms: number;
}

export interface RepositoriesTable {
  id: Id;
  name: string; // unique; the whole name
  namespace_id: number; // → namespaces
  visibility: string; // 'private' | 'public'
  created_at_ms: number;
}

/** One row per distinct content, whatever the number of repositories. */
export interface BlobsTable {
  id: Id;
  digest: string; // unique
  size_bytes: number;
  location: string; // BlobLocation
  created_at_ms: number;
  unreferenced_since_ms: number | null; // since when no repository links it; null = linked; indexed where not null
}

/** "This blob is readable in this repository." */
export interface RepositoryBlobsTable {
  repository_id: number; // → repositories, cascade; primary key (repository_id, digest)
  digest: string;
  blob_id: number; // → blobs, restrict: a linked blob cannot be deleted, whatever a bug may try
  unreferenced_since_ms: number | null; // since when no manifest of the repository names it; null = named; indexed where not null
}

/** One row per manifest and repository; bytes as pushed, in the row (at most 4 MiB). */
export interface ManifestsTable {
  id: Id;
  repository_id: number; // → repositories, cascade; unique (repository_id, digest)
  digest: string;
  media_type: string;
  artifact_type: string | null; // as referrers show it
  subject_digest: string | null; // indexed (repository_id, subject_digest, id)
  size_bytes: number;
  body: Bytes;
  annotations: string; // JSON object, shown by referrers
  created_at_ms: number;
  /** Since when no tag, index or subject holds it; null = held. Indexed (orphaned, unreferenced_since_ms) where not null. */
  unreferenced_since_ms: number | null;
  /** 1 = it lost its last holder because an index or a subject was deleted: it goes with its parent. */
  orphaned: number;
}

/** What a manifest names, one row per distinct digest and kind. The target may be absent (sparse, foreign layers). */
export interface ManifestReferencesTable {
  manifest_id: number; // → manifests, cascade; primary key (manifest_id, digest, kind)
  repository_id: number; // of the manifest; indexed (repository_id, digest)
  digest: string;
  kind: string; // 'blob' (config, layer) | 'child' (entry of an index, manifest or not)
}

export interface TagsTable {
  repository_id: number; // → repositories, cascade; primary key (repository_id, name)
  name: string;
  manifest_id: number; // → manifests; indexed
  updated_at_ms: number;
}

/** Every change of a tag, kept after the tag and the manifest are gone. */
export interface TagHistoryTable {
  id: Id;
  repository_id: number; // → repositories, cascade; indexed (repository_id, tag, id)
  tag: string;
  digest_before: string | null; // null = the tag was new
  digest_after: string | null; // null = the tag was deleted
  actor: string; // user name, or 'anonymous'
  at_ms: number;
}

/** Uploads under way. The row never describes bytes that are not durable. */
export interface UploadsTable {
  id: string; // UploadId; primary key
  repository_id: number; // → repositories, cascade
  algorithm: string; // the digest algorithm hashed while streaming
  offset_bytes: number;
  digest_so_far: string; // digest of the first offset_bytes bytes, by `algorithm`
  committing_digest: string | null; // set before the bytes move to their final place, so that an expiry finds them
  claimed_by: string | null; // who writes now: one writer at a time, on any instance; null = nobody
  claimed_until_ms: number; // a claim that was not renewed until then is void; 0 = none
  created_at_ms: number;
  updated_at_ms: number; // indexed; expiry counts from here
}

/** Bytes that no row needs any more and that are still to be removed from the blob store. */
export interface BlobDeletionsTable {
  location: string; // primary key
  digest: string;
  size_bytes: number;
  not_before_ms: number; // readers that opened it before may still be at it; indexed
}

/** Outbox: what happened, in the transaction that made it happen. Pruned by age. */
export interface EventsTable {
  id: Id;
  at_ms: number; // indexed
  kind: string; // 'manifest.pushed' | 'manifest.deleted' | 'tag.updated' | 'tag.deleted' | 'repository.created' | 'blob.mounted' | …
  repository: string | null;
  actor: string;
  payload: string; // JSON
}

/** Work that one instance at a time does. */
export interface LeasesTable {
  name: string; // primary key
  holder: string;
  expires_at_ms: number;
}

/** Named numbers that only grow; 'access' is bumped by every change of users, tokens, grants or visibility. */
export interface CountersTable {
  name: string; // primary key
  value: number;
}
