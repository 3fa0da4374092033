import type { Queryable, Tx } from "../../storage/database/database.ts";
import { findFact, putFact } from "../../storage/database/fact-store.ts";

export const retiringFact = "retiring-storage-regions";

/** Regions that are being emptied. */
export async function findRetiring(db: Queryable): Promise<ReadonlySet<string>> {
  return parseRetiring(await findFact(db, retiringFact));
}

export async function putRetiring(tx: Tx, regions: ReadonlySet<string>): Promise<void> {
  await putFact(tx, retiringFact, JSON.stringify([...regions].toSorted()));
}

export function parseRetiring(text: string | null | undefined): ReadonlySet<string> {
  // as: written by putRetiring
  return new Set(text === null || text === undefined ? [] : (JSON.parse(text) as readonly string[]));
}
