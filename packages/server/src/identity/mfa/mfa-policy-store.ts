import type { Queryable, Tx } from "../../storage/database/database.ts";

export async function isMfaRequiredIn(db: Queryable, namespace: string): Promise<boolean> {
  const row = await db
    .selectFrom("namespaces")
    .select("id")
    .where("name", "=", namespace)
    .where("requires_mfa", "=", 1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether the user is in a team of an organization that asks for a second factor. */
export async function isMemberWhereMfaIsRequired(db: Queryable, userId: number): Promise<boolean> {
  const row = await db
    .selectFrom("team_members as m")
    .innerJoin("teams as t", "t.id", "m.team_id")
    .innerJoin("namespaces as n", "n.id", "t.namespace_id")
    .select("n.id")
    .where("m.user_id", "=", userId)
    .where("n.requires_mfa", "=", 1)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** What was so before; undefined when there is no such namespace. */
export async function setMfaRequired(
  tx: Tx,
  namespace: string,
  isRequired: boolean,
): Promise<{ readonly wasRequired: boolean } | undefined> {
  const before = await tx
    .selectFrom("namespaces")
    .select(["id", "requires_mfa"])
    .where("name", "=", namespace)
    .executeTakeFirst();
  if (before === undefined) return undefined;
  await tx
    .updateTable("namespaces")
    .set({ requires_mfa: isRequired ? 1 : 0 })
    .where("id", "=", before.id)
    .execute();
  return { wasRequired: before.requires_mfa === 1 };
}
