import type { Visibility } from "../../access/actions.ts";
import { toVisibility } from "../../access/rights-store.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forKeyShare, forUpdate } from "../../storage/database/row-locks.ts";

/** The first component of repository names, and whose it is. */
export interface Namespace {
  readonly id: number;
  readonly name: string;
  readonly kind: "user" | "organization";
  readonly displayName: string | undefined;
  readonly description: string;
  readonly email: string | undefined;
  /** Of repositories that a push creates. */
  readonly defaultVisibility: Visibility;
  readonly createOnPush: boolean;
  readonly createdAtMs: number;
}

export interface NamespaceChange {
  readonly displayName?: string | null;
  readonly description?: string;
  readonly email?: string | null;
  readonly defaultVisibility?: Visibility;
  readonly createOnPush?: boolean;
}

const columns = [
  "id",
  "name",
  "kind",
  "display_name",
  "description",
  "email",
  "default_visibility",
  "create_on_push",
  "created_at_ms",
] as const;

export async function findNamespace(db: Queryable, name: string): Promise<Namespace | undefined> {
  const row = await db.selectFrom("namespaces").select(columns).where("name", "=", name).executeTakeFirst();
  return row === undefined ? undefined : toNamespace(row);
}

/** The namespace, which is not deleted until this transaction ends. */
export async function holdNamespace(tx: Tx, name: string): Promise<Namespace | undefined> {
  const query = tx.selectFrom("namespaces").select(columns).where("name", "=", name);
  const row = await forKeyShare(tx, query).executeTakeFirst();
  return row === undefined ? undefined : toNamespace(row);
}

/** The namespace as it is until this transaction ends; nothing is created in it meanwhile. */
export async function lockNamespace(tx: Tx, name: string): Promise<Namespace | undefined> {
  const query = tx.selectFrom("namespaces").select(columns).where("name", "=", name);
  const row = await forUpdate(tx, query).executeTakeFirst();
  return row === undefined ? undefined : toNamespace(row);
}

/** Inserts an organization; undefined when a namespace of the name is there. */
export async function insertOrganization(
  tx: Tx,
  organization: Omit<Namespace, "id" | "kind">,
): Promise<Namespace | undefined> {
  const row = await tx
    .insertInto("namespaces")
    .values({
      name: organization.name,
      kind: "organization",
      owner_user_id: null,
      display_name: organization.displayName ?? null,
      description: organization.description,
      email: organization.email ?? null,
      default_visibility: organization.defaultVisibility,
      create_on_push: organization.createOnPush ? 1 : 0,
      created_at_ms: organization.createdAtMs,
    })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returning(columns)
    .executeTakeFirst();
  return row === undefined ? undefined : toNamespace(row);
}

export async function updateNamespace(tx: Tx, id: number, change: NamespaceChange): Promise<void> {
  const values = {
    ...(change.displayName === undefined ? {} : { display_name: change.displayName }),
    ...(change.description === undefined ? {} : { description: change.description }),
    ...(change.email === undefined ? {} : { email: change.email }),
    ...(change.defaultVisibility === undefined ? {} : { default_visibility: change.defaultVisibility }),
    ...(change.createOnPush === undefined ? {} : { create_on_push: change.createOnPush ? 1 : 0 }),
  };
  if (Object.keys(values).length === 0) return;
  await tx.updateTable("namespaces").set(values).where("id", "=", id).execute();
}

/** Deletes the row; teams, robots, grants and invitations go by cascade. */
export async function deleteNamespaceRow(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom("namespaces").where("id", "=", id).execute();
}

export async function hasRepositories(db: Queryable, namespaceId: number): Promise<boolean> {
  const query = db.selectFrom("repositories").select("id").where("namespace_id", "=", namespaceId).limit(1);
  return (await query.executeTakeFirst()) !== undefined;
}

/** Organizations by name in byte order after `last`: those with a team that `memberId` is in, or all. */
export async function listOrganizations(
  db: Queryable,
  memberId: number | undefined,
  page: { readonly last: string | undefined; readonly limit: number },
): Promise<readonly Namespace[]> {
  let query = db
    .selectFrom("namespaces")
    .select(columns)
    .where("kind", "=", "organization")
    .orderBy("name")
    .limit(page.limit);
  if (memberId !== undefined) {
    query = query.where("id", "in", (eb) =>
      eb
        .selectFrom("team_members as m")
        .innerJoin("teams as t", "t.id", "m.team_id")
        .select("t.namespace_id")
        .where("m.user_id", "=", memberId),
    );
  }
  if (page.last !== undefined) query = query.where("name", ">", page.last);
  return (await query.execute()).map(toNamespace);
}

function toNamespace(row: {
  readonly id: number;
  readonly name: string;
  readonly kind: string;
  readonly display_name: string | null;
  readonly description: string;
  readonly email: string | null;
  readonly default_visibility: string;
  readonly create_on_push: number;
  readonly created_at_ms: number;
}): Namespace {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind === "user" ? "user" : "organization",
    displayName: row.display_name ?? undefined,
    description: row.description,
    email: row.email ?? undefined,
    defaultVisibility: toVisibility(row.default_visibility),
    createOnPush: row.create_on_push === 1,
    createdAtMs: row.created_at_ms,
  };
}
