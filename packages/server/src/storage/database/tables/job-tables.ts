import type { Id } from "./column-types.ts";

/** Work that is done after the transaction that asked for it, at least once, by whichever instance is free. */
export interface JobTables {
  jobs: JobsTable;
  job_kinds: JobKindsTable;
}

/**
 * One piece of work. Its states are in activity/jobs/README.md. The indexes are partial, one for each question that is asked all the time, so that
 * jobs that are done cost nothing but their room.
 */
interface JobsTable {
  id: Id;
  kind: string; // JobKind; what to do
  namespace: string; // who waits for it: kinds take turns between namespaces; '' = the registry itself
  priority: number; // higher first, within its kind
  payload: string; // JSON, as the kind's schema says; no secrets
  state: string; // JobState
  unique_key: string | null; // of those with the same key of a kind, one waits at most
  queued_key: string | null; // unique_key while it waits, else null; unique (kind, queued_key)
  run_at_ms: number; // not before
  attempts: number; // times that it was begun and not given back
  max_attempts: number;
  fence: number; // grows whenever somebody takes it: only who knows the present one may say how it ended
  lease_holder: string | null; // the instance that runs it
  lease_until_ms: number | null; // then somebody else may take it
  is_cancel_wanted: number; // 1 = whoever runs it is to stop
  progress_done: number;
  progress_total: number | null;
  progress_note: string | null;
  result: string | null; // JSON, what it says about what it did
  error: string | null; // why the last attempt failed
  slot_ms: number | null; // the due time of a schedule that it is the run of
  created_at_ms: number;
  created_by: string;
  started_at_ms: number | null; // of the last attempt
  finished_at_ms: number | null;
}

/** The kinds that some version of the program knows: whether they rest, and when the schedule of each is due. */
interface JobKindsTable {
  name: string; // primary key
  is_paused: number;
  schedule: string | null; // as the program that wrote `next_slot_ms` says it; null = none
  next_slot_ms: number | null;
}
