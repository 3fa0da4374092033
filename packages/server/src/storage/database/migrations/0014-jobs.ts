import type { Kysely } from "kysely";
import type { Tables } from "../tables.ts";
import { runStatements, schemaWords } from "./schema-words.ts";

/** Jobs and their kinds; what they mean is said in tables/job-tables.ts. */
export async function up(db: Kysely<Tables>): Promise<void> {
  const { id, integer, text, table, clustered } = schemaWords(db);
  await runStatements(db, [
    `create table jobs (
      id ${id},
      kind ${text} not null,
      namespace ${text} not null,
      priority ${integer} not null,
      payload ${text} not null,
      state ${text} not null check (state in ('waiting', 'queued', 'running', 'done', 'failed', 'cancelled')),
      unique_key ${text},
      queued_key ${text},
      run_at_ms ${integer} not null,
      attempts ${integer} not null,
      max_attempts ${integer} not null,
      fence ${integer} not null,
      lease_holder ${text},
      lease_until_ms ${integer},
      is_cancel_wanted ${integer} not null check (is_cancel_wanted in (0, 1)),
      progress_done ${integer} not null,
      progress_total ${integer},
      progress_note ${text},
      result ${text},
      error ${text},
      slot_ms ${integer},
      created_at_ms ${integer} not null,
      created_by ${text} not null,
      started_at_ms ${integer},
      finished_at_ms ${integer},
      unique (kind, queued_key)
    ) ${table}`,
    // In the order in which jobs are taken.
    "create index jobs_queued on jobs (kind, priority desc, namespace, id) where state = 'queued'",
    "create index jobs_waiting on jobs (run_at_ms) where state = 'waiting'",
    "create index jobs_running on jobs (kind, lease_until_ms) where state = 'running'",
    "create index jobs_failed on jobs (finished_at_ms) where state = 'failed'",
    "create index jobs_ended on jobs (finished_at_ms) where state in ('done', 'cancelled')",
    `create table job_kinds (
      name ${text} not null primary key,
      is_paused ${integer} not null check (is_paused in (0, 1)),
      schedule ${text},
      next_slot_ms ${integer}
    ) ${clustered}`,
  ]);
}
