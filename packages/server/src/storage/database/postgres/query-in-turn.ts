import type { Client, QueryResult, QueryResultRow } from "pg";

/** Whoever asks a connection that several have in common. */
export interface InTurn {
  /** Sent when all that was asked before is answered, or has failed. Its time limit begins then. */
  readonly query: <Row extends QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ) => Promise<QueryResult<Row>>;
}

/** One query after the other: pg is about to refuse those that come while another is under way, and warns of it now. */
export function queryInTurn(client: Client): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return {
    async query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []) {
      const mine = last.then(async () => client.query<Row>(text, [...values]));
      last = mine.catch(() => undefined);
      return mine;
    },
  };
}
