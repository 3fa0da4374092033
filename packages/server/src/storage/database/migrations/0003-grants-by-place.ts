import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements } from "./schema-words.ts";

/** What somebody was granted on one repository is found without a look at everything else that they were granted. */
export async function up(db: Kysely<Tables>): Promise<void> {
  await runStatements(db, [
    "create index grants_of_user_on_repository on grants (user_id, repository_id) where user_id is not null and repository_id is not null",
    "create index grants_of_team_on_repository on grants (team_id, repository_id) where team_id is not null and repository_id is not null",
  ]);
}
