import type { Compilable, CompiledQuery, DatabaseConnection } from "kysely";
import type { Queryable, Tx } from "./database.ts";

/** A statement that waits to be sent with others. Stores make them, so that a use case composes what it writes without knowing SQL. */
export type Statement<Row = unknown> = Compilable<Row>;

/** The rows that each of the statements returns, in the order of the statements. */
export type RowsOf<Statements extends readonly Statement[]> = {
  readonly [Index in keyof Statements]: Statements[Index] extends Statement<infer Row>
    ? readonly Row[]
    : never;
};

/**
 * Executes statements in their order, each seeing what those before it did, and tells their rows; the first that fails is the last that is carried out.
 * On PostgreSQL in one round trip, to which the `begin` of the transaction belongs when they are its first. On SQLite, where a statement costs no
 * trip, one after the other. In READ COMMITTED each sees what was committed before it began itself: after one that waited for a lock, the others
 * see what the holder did.
 */
export async function sendTogether<const Statements extends readonly Statement[]>(
  db: Queryable,
  statements: Statements,
): Promise<RowsOf<Statements>> {
  return send(db, statements, false);
}

/**
 * As `sendTogether`, and commits: on PostgreSQL in the same round trip. For the last statements of a transaction, whose rows cannot change the
 * outcome any more: what must hold is looked at before, under a lock, or is a condition of each statement. Everything that is sent in the transaction
 * afterwards is refused, and so the work should return at once. `INTERNAL` that says so when PostgreSQL committed and a value that it returned cannot be read.
 */
export async function commitTogether<const Statements extends readonly Statement[]>(
  tx: Tx,
  statements: Statements,
): Promise<RowsOf<Statements>> {
  return send(tx, statements, true);
}

/** What the connections of both engines offer to the functions above. */
export interface FlightConnection extends DatabaseConnection {
  executeTogether(
    queries: readonly CompiledQuery[],
    thenCommit: boolean,
  ): Promise<readonly (readonly unknown[])[]>;
}

async function send<Statements extends readonly Statement[]>(
  db: Queryable,
  statements: Statements,
  thenCommit: boolean,
): Promise<RowsOf<Statements>> {
  const queries = statements.map((statement) => statement.compile());
  const rows = await db.getExecutor().provideConnection(async (connection) => {
    if (!isFlightConnection(connection)) throw new Error("the connection cannot send statements together");
    return connection.executeTogether(queries, thenCommit);
  });
  // as: the query builder derived the rows' types from the tables; the drivers have no means to check them
  return rows as unknown as RowsOf<Statements>;
}

function isFlightConnection(connection: DatabaseConnection): connection is FlightConnection {
  return "executeTogether" in connection;
}
