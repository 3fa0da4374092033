import type { OperationTables } from "../tables/operation-tables.ts";
import type { ColumnsOf } from "./column-kind.ts";

/** A part of what `migrate.test.ts` expects. */
export const operationColumns: ColumnsOf<OperationTables> = {
  leases: { name: "text", holder: "text", expires_at_ms: "integer" },
  counters: { name: "text", value: "integer" },
  facts: { name: "text", value: "text" },
};
