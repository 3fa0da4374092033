import type { SelectQueryBuilder } from "kysely";
import type { Queryable } from "./database.ts";
import { engineOf } from "./engine-of.ts";

/*
 * Row locks for PostgreSQL, where transactions run side by side. On SQLite every function returns the query unchanged:
 * there, one write transaction runs at a time, so whatever it reads stays as it is until it ends.
 *
 *                        blocks
 *   lock                 forKeyShare  forShare  forNoKeyUpdate  forUpdate    meaning
 *   forKeyShare          –            –         –               yes          the row must not be deleted
 *   forShare             –            –         yes             yes          the row must not change
 *   forNoKeyUpdate       –            yes       yes             yes          I am about to change it
 *   forUpdate            yes          yes       yes             yes          I am about to delete it
 *
 * (https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS) A foreign key check takes forKeyShare on the
 * parent. In a query with joins name in `of` the tables (or their aliases) whose rows are meant: PostgreSQL refuses to lock the
 * optional side of an outer join.
 */

/** Holds the rows so that nobody else can lock, change or delete them until this transaction ends. */
export function forUpdate<DB, TB extends keyof DB, O>(
  db: Queryable,
  query: SelectQueryBuilder<DB, TB, O>,
  of?: TB & string,
): SelectQueryBuilder<DB, TB, O> {
  if (engineOf(db) === "sqlite") return query;
  return of === undefined ? query.forUpdate() : query.forUpdate(of);
}

/** As `forUpdate`, but rows that refer to these by a foreign key may still be inserted. */
export function forNoKeyUpdate<DB, TB extends keyof DB, O>(
  db: Queryable,
  query: SelectQueryBuilder<DB, TB, O>,
  of?: TB & string,
): SelectQueryBuilder<DB, TB, O> {
  if (engineOf(db) === "sqlite") return query;
  return of === undefined ? query.forNoKeyUpdate() : query.forNoKeyUpdate(of);
}

/** Keeps the rows as they are until this transaction ends; several transactions may do so at once. */
export function forShare<DB, TB extends keyof DB, O>(
  db: Queryable,
  query: SelectQueryBuilder<DB, TB, O>,
  of?: TB & string,
): SelectQueryBuilder<DB, TB, O> {
  if (engineOf(db) === "sqlite") return query;
  return of === undefined ? query.forShare() : query.forShare(of);
}

/** Keeps the rows from being deleted until this transaction ends; others may change them. */
export function forKeyShare<DB, TB extends keyof DB, O>(
  db: Queryable,
  query: SelectQueryBuilder<DB, TB, O>,
  of?: TB & string,
): SelectQueryBuilder<DB, TB, O> {
  if (engineOf(db) === "sqlite") return query;
  return of === undefined ? query.forKeyShare() : query.forKeyShare(of);
}

/**
 * Passes over rows that somebody else holds instead of waiting for them: for taking work from a list. Goes around one of the
 * locks above: `skipLocked(tx, forUpdate(tx, query))`.
 */
export function skipLocked<DB, TB extends keyof DB, O>(
  db: Queryable,
  query: SelectQueryBuilder<DB, TB, O>,
): SelectQueryBuilder<DB, TB, O> {
  return engineOf(db) === "sqlite" ? query : query.skipLocked();
}
