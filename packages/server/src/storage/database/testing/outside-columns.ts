import type { OutsideTables } from "../tables/outside-tables.ts";
import type { ColumnsOf } from "./column-kind.ts";

/** A part of what `migrate.test.ts` expects. */
export const outsideColumns: ColumnsOf<OutsideTables> = {
  decision_points: {
    id: "id",
    name: "text",
    pattern: "text",
    url: "text",
    secret: "text",
    timeout_ms: "integer",
    serve_stale_seconds: "integer",
    max_concurrent: "integer",
    allows_anonymous: "integer",
    answers_login: "integer",
    revision: "integer",
    created_at_ms: "integer",
    created_by: "text",
  },
  decision_invalidations: {
    id: "integer",
    point_id: "integer",
    kind: "text",
    subject: "text",
    at_ms: "integer",
  },
  token_issuers: {
    id: "id",
    name: "text",
    issuer: "text",
    audience: "text",
    algorithms: "text",
    clock_skew_seconds: "integer",
    patterns: "text",
    jwks_url: "text?",
    keys: "text?",
    roots: "text?",
    realm: "text?",
    created_at_ms: "integer",
    created_by: "text",
  },
};
