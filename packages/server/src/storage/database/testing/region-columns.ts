import type { RegionTables } from "../tables/region-tables.ts";
import type { ColumnsOf } from "./column-kind.ts";

/** A part of what `migrate.test.ts` expects. */
export const regionColumns: ColumnsOf<RegionTables> = {
  blob_placements: {
    blob_id: "integer",
    region: "text",
    state: "text",
    since_ms: "integer",
    attempts: "integer",
    next_ms: "integer",
    error: "text?",
  },
  region_deletions: {
    region: "text",
    location: "text",
    size_bytes: "integer",
    since_ms: "integer",
    next_ms: "integer",
  },
  namespace_placements: { namespace_id: "integer", allowed: "text?", copies: "text?" },
};
