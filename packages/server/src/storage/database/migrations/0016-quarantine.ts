import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Blobs whose bytes were found damaged; what the column means is said in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { integer } = schemaWords(db);
  await runStatements(db, [
    `alter table blobs add column quarantined_at_ms ${integer}`,
    "create index blobs_quarantined on blobs (quarantined_at_ms) where quarantined_at_ms is not null",
  ]);
}
