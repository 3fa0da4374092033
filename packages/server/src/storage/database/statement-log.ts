import type { KyselyConfig } from "kysely";
import type { OpenDatabaseOptions } from "./open-database-options.ts";

/** Kysely's own measuring, only where somebody wants to know. */
export function statementLog({ onStatement }: OpenDatabaseOptions): Pick<KyselyConfig, "log"> {
  if (onStatement === undefined) return {};
  return {
    log: ({ level, query, queryDurationMillis }) =>
      onStatement(query.sql, queryDurationMillis, level === "error"),
  };
}
