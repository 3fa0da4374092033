import type { JobTables } from "../tables/job-tables.ts";
import type { ColumnsOf } from "./column-kind.ts";

/** A part of what `migrate.test.ts` expects. */
export const jobColumns: ColumnsOf<JobTables> = {
  jobs: {
    id: "id",
    kind: "text",
    namespace: "text",
    priority: "integer",
    payload: "text",
    state: "text",
    unique_key: "text?",
    queued_key: "text?",
    run_at_ms: "integer",
    attempts: "integer",
    max_attempts: "integer",
    fence: "integer",
    lease_holder: "text?",
    lease_until_ms: "integer?",
    is_cancel_wanted: "integer",
    progress_done: "integer",
    progress_total: "integer?",
    progress_note: "text?",
    result: "text?",
    error: "text?",
    slot_ms: "integer?",
    created_at_ms: "integer",
    created_by: "text",
    started_at_ms: "integer?",
    finished_at_ms: "integer?",
  },
  job_kinds: { name: "text", is_paused: "integer", schedule: "text?", next_slot_ms: "integer?" },
};
