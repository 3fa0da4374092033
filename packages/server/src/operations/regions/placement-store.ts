import type { Queryable, Tx } from "../../storage/database/database.ts";
import type { NamespacePlacement } from "./namespace-placement.ts";
import { parseRetiring, retiringFact } from "./retiring-store.ts";

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

/** Of the namespace in which a repository is, and which regions are being emptied: both of one moment, by one statement. */
export async function findPlacementOf(
  tx: Tx,
  repositoryId: number,
): Promise<{ readonly placement: NamespacePlacement; readonly retiring: ReadonlySet<string> }> {
  const row = await tx
    .selectFrom("repositories as r")
    .leftJoin("namespace_placements as np", "np.namespace_id", "r.namespace_id")
    .leftJoin("facts as f", (join) => join.on("f.name", "=", retiringFact))
    .select(["np.allowed", "np.copies", "f.value as retiring"])
    .where("r.id", "=", repositoryId)
    .executeTakeFirst();
  return {
    placement: toPlacement(row ?? { allowed: null, copies: null }),
    retiring: parseRetiring(row?.retiring),
  };
}

/** Namespaces by id after `afterId` that say in which regions their content may lie. */
export async function listPlacements(
  db: Queryable,
  afterId: number,
  limit: number,
): Promise<
  readonly { readonly id: number; readonly name: string; readonly placement: NamespacePlacement }[]
> {
  const rows = await db
    .selectFrom("namespace_placements as np")
    .innerJoin("namespaces as n", "n.id", "np.namespace_id")
    .select(["n.id", "n.name", "np.allowed", "np.copies"])
    .where("np.namespace_id", ">", afterId)
    .orderBy("np.namespace_id")
    .limit(limit)
    .execute();
  return rows.map((row) => ({ id: row.id, name: row.name, placement: toPlacement(row) }));
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
