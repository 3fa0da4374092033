import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Storage regions; what the tables mean is said in tables/region-tables.ts. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { integer, text, clustered } = schemaWords(db);
  await runStatements(db, [
    `create table blob_placements (
      blob_id ${integer} not null references blobs (id) on delete cascade,
      region ${text} not null,
      state ${text} not null check (state in ('waiting', 'placed', 'surplus')),
      since_ms ${integer} not null,
      attempts ${integer} not null default 0,
      next_ms ${integer} not null default 0,
      error ${text},
      primary key (blob_id, region)
    ) ${clustered}`,
    // In the order in which they are worked off.
    "create index blob_placements_open on blob_placements (region, next_ms) where state <> 'placed'",
    `create table region_deletions (
      region ${text} not null,
      location ${text} not null,
      size_bytes ${integer} not null,
      since_ms ${integer} not null,
      next_ms ${integer} not null,
      primary key (region, location)
    ) ${clustered}`,
    "create index region_deletions_due on region_deletions (region, next_ms)",
    "create index region_deletions_location on region_deletions (location)",
    `create table namespace_placements (
      namespace_id ${integer} not null primary key references namespaces (id) on delete cascade,
      allowed ${text},
      copies ${text}
    ) ${clustered}`,
  ]);
}
