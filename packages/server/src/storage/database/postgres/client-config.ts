import { readFile } from "node:fs/promises";
import type { ClientConfig } from "pg";
import { parseIntoClientConfig } from "pg-connection-string";
import { AppError } from "../../../lib/app-error.ts";
import type { OpenDatabaseOptions } from "../open-database-options.ts";
import { valueParsers } from "./value-parsers.ts";

/**
 * How every connection is made. The password file is read anew for each, so that a password can be changed while the registry runs: connections
 * that are open stay, new ones use the new password. `statementTimeoutMs` 0 = statements may take as long as they like.
 */
export function clientConfig(
  options: Pick<OpenDatabaseOptions, "url" | "passwordFile" | "acquireTimeoutMs">,
  statementTimeoutMs: number,
): ClientConfig {
  const { passwordFile } = options;
  return {
    ...parseIntoClientConfig(options.url),
    ...(passwordFile === undefined ? {} : { password: () => readPassword(passwordFile) }),
    connectionTimeoutMillis: options.acquireTimeoutMs,
    application_name: "entrepot",
    keepAlive: true,
    types: valueParsers,
    // On the server, and here for the case that the server is gone without a word.
    ...(statementTimeoutMs === 0
      ? {}
      : {
          statement_timeout: statementTimeoutMs,
          query_timeout: statementTimeoutMs + Math.min(statementTimeoutMs, 5000),
          idle_in_transaction_session_timeout: 2 * statementTimeoutMs,
        }),
  };
}

async function readPassword(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).replace(/\r?\n$/, "");
  } catch (cause) {
    throw new AppError("UNAVAILABLE", `the database's password file cannot be read: ${file}`, {
      cause,
      retryAfterSeconds: 5,
    });
  }
}
