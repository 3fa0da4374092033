import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Limits of pulls and requests of a credential, and what was pulled with it in these hours; what they mean is said in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { integer, clustered } = schemaWords(db);
  await runStatements(db, [
    `alter table access_tokens add column max_pulls_per_hour ${integer}`,
    `alter table access_tokens add column max_requests_per_minute ${integer}`,
    `alter table issuers add column max_pulls_per_hour ${integer}`,
    `create table credential_pulls (
      access_token_id ${integer} not null references access_tokens (id) on delete cascade,
      hour ${integer} not null,
      pulls ${integer} not null,
      primary key (access_token_id, hour)
    ) ${clustered}`,
    "create index credential_pulls_hour on credential_pulls (hour)",
  ]);
}
