import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Outgoing mails; what they mean is said in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { id, integer, text, table } = schemaWords(db);
  await runStatements(db, [
    `create table mails (
      id ${id},
      recipient ${text} not null,
      kind ${text} not null,
      sealed_data ${text},
      state ${text} not null,
      attempts ${integer} not null,
      created_at_ms ${integer} not null,
      next_attempt_at_ms ${integer} not null,
      useless_after_ms ${integer},
      sent_at_ms ${integer},
      last_error ${text}
    ) ${table}`,
    "create index mails_state on mails (state, next_attempt_at_ms)",
    "create index mails_recipient on mails (recipient, created_at_ms)",
  ]);
}
