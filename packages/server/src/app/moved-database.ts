import type { Endpoint } from "../http/endpoint.ts";
import { AppError } from "../lib/app-error.ts";
import type { Log } from "../lib/log.ts";
import type { Database } from "../storage/database/database.ts";
import { movedSentence } from "../storage/database/move/move-state.ts";

const lookEveryMs = 1_000;
/** Asks for what a pull needs, though by POST. */
const readingPosts: ReadonlySet<string> = new Set(["token.post"]);

/**
 * The same endpoints; what changes something answers `UNAVAILABLE` once the database has moved to PostgreSQL. The database refuses writes by itself. This is for
 * requests that would find nothing to write to: an upload that went on elsewhere must not be told that it is unknown.
 */
export function refuseChangesOnceMoved(
  endpoints: readonly Endpoint[],
  database: Database,
): readonly Endpoint[] {
  if (database.engine !== "sqlite") return endpoints;
  return endpoints.map((endpoint) => {
    const { method, id } = endpoint;
    if (method === "GET" || method === "HEAD" || readingPosts.has(id)) return endpoint;
    return {
      ...endpoint,
      async handle(call, request) {
        if (database.hasMoved()) throw new AppError("UNAVAILABLE", movedSentence, { retryAfterSeconds: 5 });
        return endpoint.handle(call, request);
      },
    };
  });
}

/** Calls back once, within a second or two of the move of the database. What is returned ends the looking. */
export function watchForMove(database: Database, log: Log, onMoved: () => Promise<void>): () => void {
  if (database.engine !== "sqlite") return () => undefined;
  const timer = setInterval(() => {
    if (!database.hasMoved()) return;
    clearInterval(timer);
    log.error({}, `${movedSentence}; until it is stopped it answers what only reads, as of the move`);
    onMoved().catch((error: unknown) => log.error({ error }, "background work could not be stopped"));
  }, lookEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}
