import type { Tx } from "../storage/database/database.ts";
import type { GrantSubject } from "./grant-store.ts";
import { type Role, toRole } from "./roles.ts";

/**
 * What a new repository of the namespace starts with, one role for each subject: a rule for its creator beats the rule for whoever creates, and of
 * two of a kind the newer one counts. `creatorUserId` undefined = nobody in particular creates it.
 */
export async function listDefaultRoles(
  tx: Tx,
  namespaceId: number,
  creatorUserId: number | undefined,
): Promise<readonly { readonly subject: GrantSubject; readonly role: Role }[]> {
  const rows = await tx
    .selectFrom("default_grants")
    .select(["creator_user_id", "user_id", "team_id", "role"])
    .where("namespace_id", "=", namespaceId)
    .where(({ or, eb }) =>
      or([eb("creator_user_id", "is", null), eb("creator_user_id", "=", creatorUserId ?? 0)]),
    )
    .orderBy("id")
    .execute();
  const general = rows.filter((row) => row.creator_user_id === null);
  const particular = rows.filter((row) => row.creator_user_id !== null);
  const bySubject = new Map<string, { readonly subject: GrantSubject; readonly role: Role }>();
  for (const { user_id, team_id, role } of [...general, ...particular]) {
    const subject = user_id === null ? { teamId: Number(team_id) } : { userId: user_id };
    bySubject.set(JSON.stringify(subject), { subject, role: toRole(role) });
  }
  return [...bySubject.values()];
}
