import { numberSetting } from "./settings.ts";

/** Background work. */
export const jobSettings = {
  jobsAtOnce: numberSetting({
    key: "jobs.atOnce",
    variable: "ENTREPOT_JOBS_AT_ONCE",
    defaultValue: 8,
    min: 0,
    max: 1_000,
    description:
      "Background jobs that one process runs at once. 0 = none: some instances can answer requests only, while others do the work.",
  }),
  jobRetentionDays: numberSetting({
    key: "jobs.retentionDays",
    variable: "ENTREPOT_JOB_RETENTION_DAYS",
    defaultValue: 7,
    min: 1,
    max: 3_650,
    description:
      "How long jobs are kept that were done or cancelled; runs of schedules are kept for one day.",
  }),
  failedJobRetentionDays: numberSetting({
    key: "jobs.failedRetentionDays",
    variable: "ENTREPOT_FAILED_JOB_RETENTION_DAYS",
    defaultValue: 30,
    min: 1,
    max: 3_650,
    description: "How long jobs are kept that failed for good, to be looked at and tried again.",
  }),
} as const;
