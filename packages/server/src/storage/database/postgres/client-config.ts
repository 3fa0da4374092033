import { readFile } from "node:fs/promises";
import type { ClientConfig } from "pg";
import { parseIntoClientConfig } from "pg-connection-string";
import { AppError } from "../../../lib/app-error.ts";
import type { OpenDatabaseOptions } from "../open-database-options.ts";
import { valueParsers } from "./value-parsers.ts";

/**
 * Nothing else is waited for inside a transaction, so one that says nothing for this long belongs to an instance that is gone or cut off. Until then it
 * holds its locks against all others.
 */
const idleInTransactionMs = 6_000;

/** For the server's end: an instance that vanished without a word must not hold connections, of which there are few. Nothing of it applies to a local socket. */
const serverOptions =
  "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20000";

/**
 * How every connection is made. The password file is read anew for each, so that a password can be changed while the registry runs: connections
 * that are open stay, new ones use the new password. `statementTimeoutMs` 0 = statements may take as long as they like.
 */
export function clientConfig(
  options: Pick<OpenDatabaseOptions, "url" | "passwordFile" | "acquireTimeoutMs">,
  statementTimeoutMs: number,
): ClientConfig {
  const { passwordFile } = options;
  const url = parseIntoClientConfig(options.url);
  return {
    ...url,
    ...(passwordFile === undefined ? {} : { password: () => readPassword(passwordFile) }),
    connectionTimeoutMillis: options.acquireTimeoutMs,
    application_name: "entrepot",
    // Both ends find out about a dead idle connection in half a minute, not in two hours as by default; see `serverOptions`.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    options: [url.options, serverOptions].filter(Boolean).join(" "),
    types: valueParsers,
    // On the server, and here for the case that the server is gone without a word.
    ...(statementTimeoutMs === 0
      ? {}
      : {
          statement_timeout: statementTimeoutMs,
          query_timeout: statementTimeoutMs + Math.min(statementTimeoutMs, 5000),
          idle_in_transaction_session_timeout: idleInTransactionMs,
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
