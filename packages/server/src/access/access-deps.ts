import type { Clock } from "../lib/clock.ts";
import type { Database } from "../storage/database/database.ts";
import type { DecisionDelegate } from "./access.ts";
import type { VersionedCache } from "./versioned-cache.ts";

export interface AccessDeps {
  readonly database: Database;
  readonly cache: VersionedCache;
  readonly clock: Clock;
  /** What nobody in particular may do. */
  readonly anonymousAccess: "none" | "pull" | "full";
  /** Owns repositories whose name has a single component. */
  readonly defaultNamespace: string;
  /** Undefined = no namespace is handed over to anybody outside. */
  readonly delegate?: DecisionDelegate | undefined;
}
