import type { Queryable, Tx } from "../../storage/database/database.ts";

/** Pulls with one credential in one hour (since the epoch). */
export interface PullCount {
  readonly accessTokenId: number;
  readonly hour: number;
  readonly pulls: number;
}

const rowsAtOnce = 200;

/** Adds to what all instances have counted. Credentials that are gone are passed over. */
export async function addPulls(tx: Tx, counts: readonly PullCount[]): Promise<void> {
  for (let start = 0; start < counts.length; start += rowsAtOnce) {
    const part = counts.slice(start, start + rowsAtOnce);
    const ids = [...new Set(part.map(({ accessTokenId }) => accessTokenId))];
    const there = await tx.selectFrom("access_tokens").select("id").where("id", "in", ids).execute();
    const known = new Set(there.map(({ id }) => id));
    const values = part
      .filter(({ accessTokenId }) => known.has(accessTokenId))
      // One order for all instances, so that they never wait for one another in a circle.
      .toSorted((one, other) => one.accessTokenId - other.accessTokenId || one.hour - other.hour)
      .map(({ accessTokenId, hour, pulls }) => ({ access_token_id: accessTokenId, hour, pulls }));
    if (values.length === 0) continue;
    await tx
      .insertInto("credential_pulls")
      .values(values)
      .onConflict((conflict) =>
        conflict
          .columns(["access_token_id", "hour"])
          .doUpdateSet((eb) => ({ pulls: eb("credential_pulls.pulls", "+", eb.ref("excluded.pulls")) })),
      )
      .execute();
  }
}

/** What all instances have told of these credentials since that hour, it included. */
export async function readPulls(
  db: Queryable,
  accessTokenIds: readonly number[],
  sinceHour: number,
): Promise<readonly PullCount[]> {
  const counts: PullCount[] = [];
  for (let start = 0; start < accessTokenIds.length; start += rowsAtOnce) {
    const rows = await db
      .selectFrom("credential_pulls")
      .select(["access_token_id", "hour", "pulls"])
      .where("access_token_id", "in", accessTokenIds.slice(start, start + rowsAtOnce))
      .where("hour", ">=", sinceHour)
      .execute();
    counts.push(
      ...rows.map((row) => ({ accessTokenId: row.access_token_id, hour: row.hour, pulls: row.pulls })),
    );
  }
  return counts;
}

/** Removes what was counted before an hour. */
export async function prunePulls(tx: Tx, beforeHour: number): Promise<void> {
  await tx.deleteFrom("credential_pulls").where("hour", "<", beforeHour).execute();
}
