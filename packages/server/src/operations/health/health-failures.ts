import { movedSentence } from "../../storage/database/move/move-state.ts";

/** What anybody is told of a part that fails. */
export interface HealthFailure {
  readonly code: string;
  readonly told: string;
}

export const replicaPart = "database replica";
/** The name of a region follows. */
export const regionPart = "storage region ";

/** Whoever asks this process must ask another: that is for anybody to know. */
export const databaseMoved: HealthFailure = { code: "DATABASE_MOVED", told: movedSentence };

const storage = { code: "STORAGE_FAILING", told: "storage does not take, give back or remove bytes" };

const failures: ReadonlyMap<string, HealthFailure> = new Map([
  ["process", { code: "STOPPING", told: "this process is stopping: send requests to others" }],
  ["event-loop", { code: "PROCESS_BUSY", told: "this process is too busy to answer in time" }],
  ["keys", { code: "SECRET_KEY_FAILING", told: "the secret key does not work" }],
  ["jobs", { code: "JOBS_SILENT", told: "this process has not looked for background work for a minute" }],
  ["disk-space", { code: "DISK_FULL", told: "a disk of this machine is full, or its folder is gone" }],
  ["database", { code: "DATABASE_FAILING", told: "the database does not answer as it should" }],
  [replicaPart, { code: "REPLICA_FAILING", told: "the read replica cannot be used; the primary answers" }],
  ["storage", storage],
  ["sign-in", { code: "SIGNING_KEYS_FAILING", told: "no token can be signed" }],
]);

/** Code and sentence for a part, always the same: nothing in them tells of hosts, folders or statements. */
export function failureOf(part: string, error?: unknown): HealthFailure {
  if (error instanceof Error && error.message === movedSentence) return databaseMoved;
  if (part.startsWith(regionPart)) return storage;
  return failures.get(part) ?? { code: "FAILING", told: "it does not work" };
}
