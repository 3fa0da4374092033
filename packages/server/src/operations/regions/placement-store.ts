import type { Queryable, Tx } from "../../storage/database/database.ts";
import { everywhere, type NamespacePlacement } from "./namespace-placement.ts";

interface PlacementRow {
  readonly allowed: string | null;
  readonly copies: string | null;
}

/** Of a namespace by its name; undefined when there is no such namespace. */
export async function findPlacement(
  db: Queryable,
  namespace: string,
): Promise<{ readonly namespaceId: number; readonly placement: NamespacePlacement } | undefined> {
  const row = await db
    .selectFrom("namespaces as n")
    .leftJoin("namespace_placements as np", "np.namespace_id", "n.id")
    .select(["n.id", "np.allowed", "np.copies"])
    .where("n.name", "=", namespace)
    .executeTakeFirst();
  return row === undefined ? undefined : { namespaceId: row.id, placement: toPlacement(row) };
}

/** Of the namespace in which a repository is. */
export async function findPlacementOf(tx: Tx, repositoryId: number): Promise<NamespacePlacement> {
  const row = await tx
    .selectFrom("repositories as r")
    .innerJoin("namespace_placements as np", "np.namespace_id", "r.namespace_id")
    .select(["np.allowed", "np.copies"])
    .where("r.id", "=", repositoryId)
    .executeTakeFirst();
  return row === undefined ? everywhere : toPlacement(row);
}

export async function putPlacement(
  tx: Tx,
  namespaceId: number,
  { allowed, copies }: NamespacePlacement,
): Promise<void> {
  const row = {
    allowed: allowed === undefined ? null : JSON.stringify(allowed),
    copies: copies === undefined ? null : JSON.stringify(copies),
  };
  await tx
    .insertInto("namespace_placements")
    .values({ namespace_id: namespaceId, ...row })
    .onConflict((conflict) => conflict.column("namespace_id").doUpdateSet(row))
    .execute();
}

export async function deletePlacement(tx: Tx, namespaceId: number): Promise<void> {
  await tx.deleteFrom("namespace_placements").where("namespace_id", "=", namespaceId).execute();
}

export function toPlacement(row: PlacementRow): NamespacePlacement {
  return { allowed: parse(row.allowed), copies: parse(row.copies) };
}

function parse(text: string | null): readonly string[] | undefined {
  // as: written by putPlacement
  return text === null ? undefined : (JSON.parse(text) as readonly string[]);
}
