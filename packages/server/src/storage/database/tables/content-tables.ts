import type { Generated } from "kysely";
import type { Bytes, Id } from "./column-types.ts";

/** Repositories and what is in them. */
export interface ContentTables {
  repositories: RepositoriesTable;
  blobs: BlobsTable;
  repository_blobs: RepositoryBlobsTable;
  manifests: ManifestsTable;
  manifest_references: ManifestReferencesTable;
  tags: TagsTable;
  tag_history: TagHistoryTable;
  uploads: UploadsTable;
  blob_deletions: BlobDeletionsTable;
}

interface RepositoriesTable {
  id: Id;
  name: string; // unique; the whole name
  namespace_id: number; // → namespaces
  visibility: string; // 'private' | 'internal' | 'public'
  state: Generated<string>; // 'active' | 'frozen' (can be pulled, not changed) | 'hidden' (as if it were not there)
  description: Generated<string>;
  created_at_ms: number;
}

/** One row per distinct content, whatever the number of repositories. */
interface BlobsTable {
  id: Id;
  digest: string; // unique
  size_bytes: number;
  location: string; // BlobLocation
  created_at_ms: number;
  unreferenced_since_ms: number | null; // since when no repository links it; null = linked; indexed where not null
  /** Since when its bytes are known to be damaged or gone: as if it were not there, until somebody pushes it again. Indexed where not null. */
  quarantined_at_ms: Generated<number | null>;
}

/** "This blob is readable in this repository." */
interface RepositoryBlobsTable {
  repository_id: number; // → repositories, cascade; primary key (repository_id, digest)
  digest: string;
  blob_id: number; // → blobs, restrict: a linked blob cannot be deleted, whatever a bug may try
  unreferenced_since_ms: number | null; // since when no manifest of the repository names it; null = named; indexed where not null
}

/** One row per manifest and repository; bytes as pushed, in the row (at most 4 MiB). */
interface ManifestsTable {
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
interface ManifestReferencesTable {
  manifest_id: number; // → manifests, cascade; primary key (manifest_id, digest, kind)
  repository_id: number; // of the manifest; indexed (repository_id, digest)
  digest: string;
  kind: string; // 'blob' (config, layer) | 'child' (entry of an index, manifest or not)
}

interface TagsTable {
  repository_id: number; // → repositories, cascade; primary key (repository_id, name)
  name: string;
  manifest_id: number; // → manifests; indexed
  updated_at_ms: number;
}

/** Every change of a tag, kept after the tag and the manifest are gone. */
interface TagHistoryTable {
  id: Id;
  repository_id: number; // → repositories, cascade; indexed (repository_id, tag, id)
  tag: string;
  digest_before: string | null; // null = the tag was new
  digest_after: string | null; // null = the tag was deleted
  actor: string; // user name, or 'anonymous'
  at_ms: number;
}

/** Uploads under way. The row never describes bytes that are not durable. */
interface UploadsTable {
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
  begun_with: Generated<string | null>; // id of the bearer token that began it; null = none was shown
}

/** Bytes that no row needs any more and that are still to be removed from the blob store. */
interface BlobDeletionsTable {
  location: string; // primary key
  digest: string;
  size_bytes: number;
  not_before_ms: number; // readers that opened it before may still be at it; indexed
}
