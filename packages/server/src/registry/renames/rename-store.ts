import type { RepositoryName } from "@entrepot/oci/repository-name";
import { sql } from "kysely";
import type { Tx } from "../../storage/database/database.ts";
import { sendNotice } from "../../storage/database/send-notice.ts";

/** Forgets that a repository had the name. */
export async function deleteRepositoryAlias(tx: Tx, name: string): Promise<void> {
  await tx.deleteFrom("repository_aliases").where("name", "=", name).execute();
}

/** Renames the row and remembers the old name. False when another repository has the new one. */
export async function moveRepository(
  tx: Tx,
  move: {
    readonly id: number;
    readonly from: RepositoryName;
    readonly to: RepositoryName;
    readonly namespaceId: number;
    readonly nowMs: number;
  },
): Promise<void> {
  await deleteRepositoryAlias(tx, move.to);
  await tx
    .updateTable("repositories")
    .set({ name: move.to, namespace_id: move.namespaceId })
    .where("id", "=", move.id)
    .execute();
  await tx
    .insertInto("repository_aliases")
    .values({ name: move.from, repository_id: move.id, created_at_ms: move.nowMs })
    .execute();
  await sendNotice(tx, "removal");
}

/** Whether a repository has the name now. */
export async function isNameTaken(tx: Tx, name: RepositoryName): Promise<boolean> {
  const query = tx.selectFrom("repositories").select("id").where("name", "=", name);
  return (await query.executeTakeFirst()) !== undefined;
}

/** The grants on a repository become its new namespace's; those of the old one's teams end. Tells how many ended. */
export async function handOverGrants(
  tx: Tx,
  move: { readonly repositoryId: number; readonly fromNamespaceId: number; readonly toNamespaceId: number },
): Promise<number> {
  const ended = await tx
    .deleteFrom("grants")
    .where("repository_id", "=", move.repositoryId)
    .where(
      "team_id",
      "in",
      tx.selectFrom("teams").select("id").where("namespace_id", "=", move.fromNamespaceId),
    )
    .executeTakeFirst();
  await tx
    .updateTable("grants")
    .set({ namespace_id: move.toNamespaceId })
    .where("repository_id", "=", move.repositoryId)
    .execute();
  return Number(ended.numDeletedRows);
}

/** What names the repository whole goes on naming it. Scopes and rules by pattern stay as they are: they name a place. */
export async function renameInScopes(tx: Tx, from: string, to: string): Promise<void> {
  await replaceInScopes(tx, `"${from}"`, `"${to}"`);
}

/** Gives a namespace and everything below it another first component. The caller holds the namespace and knows that the name is free. */
export async function moveNamespace(
  tx: Tx,
  move: { readonly id: number; readonly from: string; readonly to: string },
): Promise<void> {
  const { id, from, to } = move;
  const rest = from.length + 1;
  const moved = (column: string) => sql<string>`${to} || substr(${sql.ref(column)}, ${sql.lit(rest)})`;
  await tx.updateTable("namespaces").set({ name: to }).where("id", "=", id).execute();
  await sendNotice(tx, "removal");
  await tx
    .updateTable("repositories")
    .set({ name: moved("name") })
    .where("namespace_id", "=", id)
    .execute();
  // Old names of what was moved out of a namespace that is no more: the name is somebody else's now.
  await tx
    .deleteFrom("repository_aliases")
    .where("name", ">", `${to}/`)
    .where("name", "<", `${to}0`)
    .execute();
  await tx
    .updateTable("repository_aliases")
    .set({ name: moved("name") })
    .where("name", ">", `${from}/`)
    .where("name", "<", `${from}0`)
    .execute();
  await moveGrants(tx, move, moved);
  // "," follows "+": robots are called namespace+name.
  await tx
    .updateTable("users")
    .set({ username: moved("username") })
    .where("username", ">", `${from}+`)
    .where("username", "<", `${from},`)
    .execute();
  await replaceInScopes(tx, `"${from}/`, `"${to}/`);
  await tx
    .updateTable("decision_points")
    .set((eb) => ({ pattern: moved("pattern"), revision: eb("revision", "+", 1) }))
    .where("pattern", ">", `${from}/`)
    .where("pattern", "<", `${from}0`)
    .execute();
}

async function moveGrants(
  tx: Tx,
  { id, from, to }: { readonly id: number; readonly from: string; readonly to: string },
  moved: (column: string) => ReturnType<typeof sql<string>>,
): Promise<void> {
  const rows = await tx
    .selectFrom("grants")
    .select(["id", "user_id", "team_id", "pattern", "elevation_id"])
    .where(({ or, eb }) => or([eb("namespace_id", "=", id), eb("namespace_id", "is", null)]))
    .where("pattern", "is not", null)
    .where(({ or, and, eb }) =>
      or([eb("prefix", "=", from), and([eb("prefix", ">", `${from}/`), eb("prefix", "<", `${from}0`)])]),
    )
    .execute();
  for (const row of rows) {
    const pattern = `${to}${(row.pattern ?? "").slice(from.length)}`;
    if (row.elevation_id === null && (await hasTwin(tx, row, pattern))) {
      await tx.deleteFrom("grants").where("id", "=", row.id).execute();
      continue;
    }
    await tx
      .updateTable("grants")
      .set({ pattern, prefix: moved("prefix") })
      .where("id", "=", row.id)
      .execute();
  }
}

/** Whoever was granted something on the new name before it was this namespace's has that in place of this. */
async function hasTwin(
  tx: Tx,
  grant: { readonly user_id: number | null; readonly team_id: number | null },
  pattern: string,
): Promise<boolean> {
  const query = tx
    .selectFrom("grants")
    .select("id")
    .where("pattern", "=", pattern)
    .where("elevation_id", "is", null);
  const twin =
    grant.user_id === null
      ? query.where("team_id", "=", grant.team_id)
      : query.where("user_id", "=", grant.user_id);
  return (await twin.executeTakeFirst()) !== undefined;
}

/** Whether accounts have names below a name, as robots have. */
export async function hasAccountsBelow(tx: Tx, name: string): Promise<boolean> {
  const query = tx
    .selectFrom("users")
    .select("id")
    .where("username", ">", `${name}+`)
    .where("username", "<", `${name},`)
    .limit(1);
  return (await query.executeTakeFirst()) !== undefined;
}

/** How long the longest name in a namespace is; 0 when there is none. */
export async function longestNameLength(tx: Tx, namespaceId: number): Promise<number> {
  const row = await tx
    .selectFrom("repositories")
    .select(sql<number | null>`max(length(name))`.as("length"))
    .where("namespace_id", "=", namespaceId)
    .executeTakeFirst();
  return Number(row?.length ?? 0);
}

/** The JSON is written by `JSON.stringify`, and a pattern has nothing in it that needs an escape. */
async function replaceInScopes(tx: Tx, from: string, to: string): Promise<void> {
  for (const { table, column, field } of scopeColumns) {
    const replaced = sql<string>`replace(${sql.ref(column)}, ${`${field}${from}`}, ${`${field}${to}`})`;
    // What is null, or has it not in it, is not equal to nothing and stays.
    await sql`update ${sql.table(table)} set ${sql.ref(column)} = ${replaced}
      where ${sql.ref(column)} <> ${replaced}`.execute(tx);
  }
}

/** Where credentials and rules name repositories: as a field of JSON, or as a JSON list of patterns. */
const scopeColumns = [
  { table: "access_tokens", column: "scopes", field: '"repositories":' },
  { table: "trust_rules", column: "scopes", field: '"repositories":' },
  { table: "issuers", column: "repositories", field: "" },
  { table: "elevation_roles", column: "grants", field: '"pattern":' },
  { table: "token_issuers", column: "patterns", field: "" },
] as const;

/** Whether decision points are bound to names of namespaces by wildcards, so that a rename leads in or out of them. */
export async function hasWildDecisionPoints(tx: Tx): Promise<boolean> {
  const rows = await tx.selectFrom("decision_points").select("pattern").execute();
  return rows.some(({ pattern }) => pattern.split("/", 1)[0]?.includes("*") === true);
}
