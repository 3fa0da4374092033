import type { Kysely } from "kysely";
import type { Tables } from "./tables.ts";

/** What became of a read that a replica may answer. */
export const asideOutcomes = [
  /** The replica answered. */
  "replica",
  /** It had not replayed everything yet; the primary answered, as in all that follow. */
  "lagging",
  /** It could not be reached, took too long or refused. */
  "failed",
  /** The server is no standby of this primary: promoted, of another cluster, or on a timeline that the primary has left. */
  "foreign",
  /** It was not asked, because it had just been one of the above. */
  "paused",
] as const;
export type AsideOutcome = (typeof asideOutcomes)[number];

/** See `Database.readAside`. */
export type ReadAside = <T>(read: (db: Kysely<Tables>) => Promise<T>) => Promise<T>;

/** A standby server that answers pages and reports, as an operator sees it. */
export interface Replica {
  /** Reads since the start, by what became of them. Cheap. */
  readonly outcomes: () => Readonly<Record<AsideOutcome, number>>;
  /** Bytes of the primary's log that it had yet to replay when it was last asked; undefined = not known. Cheap. */
  readonly lagBytes: () => number | undefined;
  /**
   * Asks it now, pause or not, and tells how many bytes it is behind. Throws a sentence for the operator when it cannot be used: it does not answer within
   * half a second, is no standby of this primary, or has been behind for ten seconds.
   */
  readonly probe: () => Promise<number>;
}
