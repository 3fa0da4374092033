import type { Connection, PoolClient, Submittable } from "pg";
import type { SqlValue } from "../checked-parameters.ts";
import { valueParsers } from "./value-parsers.ts";

/** One statement of a flight. With a name it is prepared once for each connection. */
export interface FlightStatement {
  readonly name: string | undefined;
  readonly text: string;
  readonly values: readonly SqlValue[];
}

export interface FlightResult {
  /** "INSERT", "COMMIT"; empty for a statement without text. */
  readonly command: string;
  readonly rowCount: number;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** The server carried out every statement of a flight, and one of the values that it returned cannot be read. */
export class UnreadableResult extends RangeError {
  override readonly name = "UnreadableResult";
  /** Of the statements, without the rows that could not be read. */
  readonly results: readonly FlightResult[];

  constructor(cause: Error, results: readonly FlightResult[]) {
    super(cause.message, { cause });
    this.results = results;
  }
}

/**
 * Sends statements all at once and waits once for their results: one round trip, however many they are. They run in their order, each sees what
 * those before it did. When one fails the server carries out none of those after it, `commit` included, and the flight throws that error. So
 * `begin`, writes and `commit` in one flight are all carried out or none. `UnreadableResult` = all were, but what they returned is lost.
 *
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING: one Sync for all is what makes the server skip. The
 * `pipeline` option of pg sends one after each statement: there, writes would go on after a `begin` that failed.
 */
export async function sendFlight(
  client: PoolClient,
  statements: readonly FlightStatement[],
): Promise<readonly FlightResult[]> {
  return new Promise((resolve, reject) => {
    client.query(
      new Flight(statements, (error, results) => (error === null ? resolve(results) : reject(error))),
    );
  });
}

/** What pg's connection offers beside what its types tell. */
interface PreparingConnection {
  /** Texts by name, of the statements that the server of this connection has prepared. pg keeps it, from `name` and `text` of the active query. */
  readonly parsedStatements: Readonly<Record<string, string | undefined>>;
}

type Callback = (error: Error | null, results: readonly FlightResult[]) => void;
type Parser = (value: string) => unknown;

/** What pg calls for its active query; see `Query` in pg, and pg-cursor, which does the same for portals. */
class Flight implements Submittable {
  readonly #statements: readonly FlightStatement[];
  readonly #results: FlightResult[] = [];
  #columns: readonly { readonly name: string; readonly parse: Parser }[] = [];
  #rows: Readonly<Record<string, unknown>>[] = [];
  #refused: Error | undefined;
  /** pg puts its time limit around it. */
  callback: Callback;

  constructor(statements: readonly FlightStatement[], callback: Callback) {
    this.#statements = statements;
    this.callback = callback;
  }

  /** Of the statement whose answers arrive now. */
  get name(): string | undefined {
    return this.#statements[this.#results.length]?.name;
  }

  get text(): string | undefined {
    return this.#statements[this.#results.length]?.text;
  }

  submit(connection: Connection): void {
    connection.stream.cork(); // one packet, not one for each message
    try {
      this.#write(connection);
    } finally {
      connection.stream.uncork();
    }
  }

  #write(connection: Connection): void {
    // as: a field of pg's Connection since version 2 that its types leave out; pg-cursor relies on it too
    const { parsedStatements } = connection as unknown as PreparingConnection;
    const parsed = new Set<string>();
    for (const { name = "", text, values } of this.#statements) {
      if (name === "" || (parsedStatements[name] === undefined && !parsed.has(name))) {
        connection.parse({ name, text, types: [] }, true);
        parsed.add(name);
      }
      connection.bind({ portal: "", statement: name, values: values.map(toWire) }, true);
      connection.describe({ type: "P", name: "" }, true);
      connection.execute({ portal: "" }, true);
    }
    connection.sync();
  }

  handleRowDescription(message: {
    readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
  }): void {
    this.#columns = message.fields.map(({ name, dataTypeID }) => ({
      name,
      parse: valueParsers.getTypeParser(dataTypeID),
    }));
  }

  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void {
    if (this.#refused !== undefined) return;
    try {
      const row: Record<string, unknown> = {};
      for (const [index, { name, parse }] of this.#columns.entries()) {
        const text = message.fields[index] ?? null;
        row[name] = text === null ? null : parse(text);
      }
      this.#rows.push(row);
    } catch (error) {
      this.#refused = error instanceof Error ? error : new Error(String(error));
    }
  }

  handleCommandComplete(message: { readonly text: string }): void {
    const words = message.text.split(" ");
    this.#land({ command: words[0] ?? "", rowCount: Number(words.at(-1)) || 0, rows: this.#rows });
  }

  handleEmptyQuery(): void {
    this.#land({ command: "", rowCount: 0, rows: [] });
  }

  #land(result: FlightResult): void {
    this.#results.push(result);
    this.#columns = [];
    this.#rows = [];
  }

  handleError(error: Error): void {
    this.callback(error, []);
  }

  handleReadyForQuery(): void {
    const refused = this.#refused;
    this.callback(refused === undefined ? null : new UnreadableResult(refused, this.#results), this.#results);
  }
}

function toWire(value: SqlValue): string | Buffer | null {
  if (value === null || typeof value === "string") return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return value.toString();
}
