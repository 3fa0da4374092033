import type { Generated } from "kysely";

/** Where blobs lie when there are several storage regions. Without them all of these are empty. */
export interface RegionTables {
  blob_placements: BlobPlacementsTable;
  region_deletions: RegionDeletionsTable;
  namespace_placements: NamespacePlacementsTable;
}

/** What is known and wanted of one blob in one region. Reads do not need it: the bytes themselves say where they are. */
interface BlobPlacementsTable {
  blob_id: number; // → blobs, cascade; primary key (blob_id, region)
  region: string;
  state: string; // 'waiting' (to be copied there) | 'placed' | 'surplus' (to be removed from there)
  since_ms: number; // since when it is in that state
  attempts: Generated<number>; // that failed since then
  next_ms: Generated<number>; // not tried before then; indexed (region, next_ms) where not placed
  error: string | null; // why the last attempt failed
}

/** Bytes that a region must still remove: it did not answer when they were removed everywhere else. */
interface RegionDeletionsTable {
  region: string; // primary key (region, location)
  location: string;
  size_bytes: number;
  since_ms: number;
  next_ms: number;
}

/** Where the content of a namespace may and must lie, where that is not as everywhere. */
interface NamespacePlacementsTable {
  namespace_id: number; // → namespaces, cascade; primary key
  allowed: string | null; // JSON array of regions; null = any
  copies: string | null; // JSON array of regions; null = all that are allowed and copied to by default
}
