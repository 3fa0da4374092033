import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Decision points, issuers of tokens outside, and which token an upload was begun with; what they mean is said in tables/. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { id, integer, text, table, clustered } = schemaWords(db);
  await runStatements(db, [
    `create table decision_points (
      id ${id},
      name ${text} not null unique,
      pattern ${text} not null unique,
      url ${text} not null,
      secret ${text} not null,
      timeout_ms ${integer} not null,
      serve_stale_seconds ${integer} not null,
      max_concurrent ${integer} not null,
      allows_anonymous ${integer} not null check (allows_anonymous in (0, 1)),
      answers_login ${integer} not null check (answers_login in (0, 1)),
      revision ${integer} not null,
      created_at_ms ${integer} not null,
      created_by ${text} not null
    ) ${table}`,
    `create table decision_invalidations (
      id ${integer} not null primary key,
      point_id ${integer} not null,
      kind ${text} not null,
      subject ${text} not null,
      at_ms ${integer} not null
    ) ${clustered}`,
    "create index decision_invalidations_at on decision_invalidations (at_ms)",
    `create table token_issuers (
      id ${id},
      name ${text} not null unique,
      issuer ${text} not null,
      audience ${text} not null,
      algorithms ${text} not null,
      clock_skew_seconds ${integer} not null,
      patterns ${text} not null,
      jwks_url ${text},
      keys ${text},
      roots ${text},
      realm ${text},
      created_at_ms ${integer} not null,
      created_by ${text} not null,
      unique (issuer, audience)
    ) ${table}`,
    `alter table uploads add column begun_with ${text}`,
    "insert into counters (name, value) values ('decisions', 0)",
  ]);
}
