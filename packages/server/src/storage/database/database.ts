import type { Kysely, Transaction } from "kysely";
import type { NoticeTopic } from "./notice-topics.ts";
import type { ReadAside, Replica } from "./replica.ts";
import type { Tables } from "./tables.ts";
import type { DatabaseLoad } from "./turns.ts";

/** What a store function takes first: either the database or the transaction it runs in. */
export type Queryable = Kysely<Tables>;
export type Tx = Transaction<Tables>;

export interface TransactionOptions {
  /**
   * false = the commit is visible and ordered but may be lost by a power failure (never by a crash of the process). For state
   * whose loss costs a retry, such as the claim on an upload; never for what was acknowledged. Default true.
   */
  readonly durable?: boolean;
}

/** One open database. SQL is the only truth for metadata, so this is the only state that instances share. */
export interface Database {
  readonly engine: "sqlite" | "postgres";
  /**
   * For single reads outside a transaction. On SQLite it has its own connection, so that a read never waits behind a
   * transaction; it sees every commit that was acknowledged before the read began. Never used for writes.
   */
  readonly read: Queryable;
  /**
   * For pages and reports, which a replica may answer where there is one: it is used only when it has replayed everything that was committed on the primary
   * before this was called, whichever instance committed it. Behind by more than a few milliseconds, gone or slow: `read` runs on the primary, perhaps
   * a second time, so it has no effect and awaits nothing but its queries. What it throws on the replica is not seen. Never for rights, for content, or for what
   * a write depends on: these are read with what they decide about. Without a replica the same as `read(database.read)`.
   */
  readonly readAside: ReadAside;
  /** Absent = there is none. */
  readonly replica: Replica | undefined;
  /**
   * Runs `work` in one transaction and returns what it returns once the commit is durable. Rolls back when `work` throws.
   * Repeats `work` after a deadlock or serialization failure (at most three times), so `work` has no effect but SQL. No other input or output may
   * be awaited inside. Waits for a connection at most `acquireTimeoutMs`, then throws `UNAVAILABLE`.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * Changes whenever another process may have committed since the last call; undefined where that cannot be told cheaply
   * (PostgreSQL): then what was read must not be cached. Synchronous and cheap (a few microseconds). The commits of this process do not change it.
   */
  foreignChangeStamp(): number | undefined;
  /**
   * Changes when any process has told of such a change by `sendNotice`. On PostgreSQL within milliseconds of the commit; at the latest three seconds after
   * it, when the connection that listens is lost without a word: then, and until it listens again, undefined, and what was read must not be
   * cached. On SQLite the same as `foreignChangeStamp`. Synchronous and cheap.
   */
  noticeStamp(topic: NoticeTopic): number | undefined;
  /**
   * Calls back on each such notice, and when some may have been missed. Only a hint that saves waiting: on SQLite, and while the connection is being made
   * again, nothing is heard, so whoever listens also looks now and then. What is returned ends it.
   */
  readonly onNotice: (topic: NoticeTopic, listener: () => void) => () => void;
  /**
   * Waits until every process that listens has heard what this one told of by `sendNotice` in transactions that are committed: whoever is then answered
   * "it is gone" finds it gone everywhere. One round trip of a notice and its echo (about a millisecond); at most three seconds, when one of them has
   * stopped without a word and therefore relies on nothing any more. Never throws. Any number may wait at once: they share questions. On SQLite there is nothing to wait for.
   */
  readonly heardByAll: () => Promise<void>;
  /** How busy this process's connections for writing are (PostgreSQL: all of them). Cheap. */
  readonly load: () => DatabaseLoad;
  /**
   * Whether this SQLite database has moved to PostgreSQL (`entrepot database move`): it can be read, as of the moment when it moved, and every write fails with
   * `UNAVAILABLE`. Some ten microseconds. On PostgreSQL always false.
   */
  readonly hasMoved: () => boolean;
  /** Throws unless the database answers a trivial query within `timeoutMs`. */
  probe(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}
