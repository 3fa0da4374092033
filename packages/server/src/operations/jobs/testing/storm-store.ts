import type { Queryable, Tx } from "../../../storage/database/database.ts";

/** One step of one attempt, as the test reads it back. */
export interface Step {
  readonly jobId: number;
  readonly attempt: number;
  readonly step: string;
}

export async function noteStep(tx: Tx, step: Step): Promise<void> {
  await tx
    .insertInto("events")
    .values({ at_ms: 0, kind: "storm", repository: null, actor: "storm", payload: JSON.stringify(step) })
    .execute();
}

/** In the order in which they were committed, for each job. */
export async function listSteps(db: Queryable): Promise<readonly Step[]> {
  const rows = await db.selectFrom("events").select("payload").orderBy("id").execute();
  return rows.map(({ payload }) => JSON.parse(payload) as Step); // as: written by the function above
}
