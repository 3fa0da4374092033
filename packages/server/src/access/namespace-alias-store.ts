import type { Queryable, Tx } from "../storage/database/database.ts";
import { forUpdate } from "../storage/database/row-locks.ts";

/** A name that no new namespace can have: reserved by an administrator, or one that a namespace had before it was renamed. */
export interface KeptName {
  readonly name: string;
  /** The namespace that it leads to; undefined = it is reserved and leads nowhere. */
  readonly namespace: string | undefined;
  readonly createdAtMs: number;
}

/**
 * Whether a name must not be given to a new namespace. Asked in the transaction that takes the name, after its row was inserted: a rename that
 * was under way has then ended, and what it kept is seen.
 */
export async function isNameKept(db: Queryable, name: string): Promise<boolean> {
  const query = db.selectFrom("namespace_aliases").select("name").where("name", "=", name);
  return (await query.executeTakeFirst()) !== undefined;
}

function keptNames(db: Queryable) {
  return db
    .selectFrom("namespace_aliases as a")
    .leftJoin("namespaces as n", "n.id", "a.namespace_id")
    .select(["a.name", "n.name as namespace", "a.created_at_ms"]);
}

/** Kept names in byte order after `last`. */
export async function listKeptNames(
  db: Queryable,
  page: { readonly last: string | undefined; readonly limit: number },
): Promise<readonly KeptName[]> {
  let query = keptNames(db).orderBy("a.name").limit(page.limit);
  if (page.last !== undefined) query = query.where("a.name", ">", page.last);
  const rows = await query.execute();
  return rows.map((row) => ({
    name: row.name,
    namespace: row.namespace ?? undefined,
    createdAtMs: row.created_at_ms,
  }));
}

/** Reserves a name; false when it was kept already. */
export async function insertReservedName(tx: Tx, name: string, nowMs: number): Promise<boolean> {
  const inserted = await tx
    .insertInto("namespace_aliases")
    .values({ name, namespace_id: null, created_at_ms: nowMs })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returning("name")
    .executeTakeFirst();
  return inserted !== undefined;
}

/** Gives a name back; false when it was not kept. */
export async function deleteKeptName(tx: Tx, name: string): Promise<boolean> {
  const deleted = await tx.deleteFrom("namespace_aliases").where("name", "=", name).executeTakeFirst();
  return deleted.numDeletedRows > 0n;
}

/** The namespace that a name was kept for, and undefined for one that is reserved or not kept at all. */
export async function findAliasedNamespaceId(tx: Tx, name: string): Promise<number | undefined> {
  const query = tx.selectFrom("namespace_aliases").select("namespace_id").where("name", "=", name);
  return (await query.executeTakeFirst())?.namespace_id ?? undefined;
}

/** What a namespace is called now that had the name before; undefined when none had, or the name was given back. */
export async function findRenamedNamespace(db: Queryable, name: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("namespace_aliases as a")
    .innerJoin("namespaces as n", "n.id", "a.namespace_id")
    .select("n.name")
    .where("a.name", "=", name)
    .executeTakeFirst();
  return row?.name;
}

/** What a repository is called now that had the name before; undefined when none had, or another has it since. */
export async function findRenamedRepository(db: Queryable, name: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("repository_aliases as a")
    .innerJoin("repositories as r", "r.id", "a.repository_id")
    .select("r.name")
    .where("a.name", "=", name)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom("repositories").select("id").where("name", "=", name))),
    )
    .executeTakeFirst();
  return row?.name;
}

/** Keeps a name that a namespace had. */
export async function insertNamespaceAlias(
  tx: Tx,
  alias: { readonly name: string; readonly namespaceId: number; readonly nowMs: number },
): Promise<void> {
  await tx
    .insertInto("namespace_aliases")
    .values({ name: alias.name, namespace_id: alias.namespaceId, created_at_ms: alias.nowMs })
    .execute();
}

/** The namespace of that name, which nobody else changes or creates anything in until this transaction ends. */
export async function holdNamespace(
  tx: Tx,
  name: string,
): Promise<{ readonly id: number; readonly kind: string } | undefined> {
  const query = tx.selectFrom("namespaces").select(["id", "kind"]).where("name", "=", name);
  return forUpdate(tx, query).executeTakeFirst();
}
