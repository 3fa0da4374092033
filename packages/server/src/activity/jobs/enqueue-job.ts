import { actorName } from "../../access/actor.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { AuditSource } from "../audit/record-audit.ts";
import type { JobDraft } from "./draft-job.ts";
import { insertJob } from "./job-store.ts";

/**
 * Queues a job in the transaction that makes it necessary: it is run if and only if that commits. Tells its id, or that of the one of the same unique
 * key that waits already. `wake` after the commit, if this process runs jobs, makes it begin at once; else it begins within a second or so.
 */
export function enqueueJob(tx: Tx, draft: JobDraft, source: AuditSource, nowMs: number): Promise<number> {
  return insertJob(tx, draft, { nowMs, createdBy: actorName(source.actor).slice(0, 255) });
}
