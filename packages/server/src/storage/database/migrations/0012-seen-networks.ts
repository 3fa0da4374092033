import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** From which neighbourhoods people have signed in, so that they are told of a new one. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { integer, text, clustered } = schemaWords(db);
  await runStatements(db, [
    `create table seen_networks (
      user_id ${integer} not null references users (id) on delete cascade,
      network ${text} not null,
      last_at_ms ${integer} not null,
      primary key (user_id, network)
    ) ${clustered}`,
  ]);
}
