import type { DatabaseSync, StatementSync } from "node:sqlite";

export interface CachedStatement {
  readonly statement: StatementSync;
  /** Whether it returns rows (SELECT, RETURNING, PRAGMA). */
  readonly isReader: boolean;
}

/**
 * Prepared statements of one connection by their text. Preparing costs more than a point read. The one that was unused longest
 * goes when there are more than `capacity`, because lists of varying length make texts without end.
 */
export function createStatementCache(db: DatabaseSync, capacity: number): (sql: string) => CachedStatement {
  const statements = new Map<string, CachedStatement>();
  return (sql) => {
    let cached = statements.get(sql);
    if (cached === undefined) {
      const statement = db.prepare(sql);
      cached = { statement, isReader: statement.columns().length > 0 };
    } else {
      statements.delete(sql); // set again below: a Map keeps the order of insertion
    }
    statements.set(sql, cached);
    if (statements.size > capacity) {
      const [oldest] = statements.keys();
      if (oldest !== undefined) statements.delete(oldest);
    }
    return cached;
  };
}
