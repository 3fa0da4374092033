import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import type { Tx } from "../../storage/database/database.ts";
import { deleteMember, insertMember, listPeopleOf } from "./team-store.ts";

export interface SyncResult {
  readonly added: number;
  readonly removed: number;
}

/**
 * Makes the people in a team exactly those that a directory names; robots stay. Whoever was put in by hand and is not named goes, too: the
 * directory has the last word, also about the last administrator of an organization, as somebody who left the company must not stay because
 * of it. The caller calls `access.changed()` after the commit when anything was changed. May be repeated; several at once for one team wait for
 * one another.
 */
export async function syncTeamMembers(
  tx: Tx,
  source: AuditSource,
  team: { readonly id: number; readonly namespace: string; readonly name: string },
  userIds: readonly number[],
  nowMs: number,
): Promise<SyncResult> {
  const before = await listPeopleOf(tx, team.id);
  const isAsBefore =
    before.length === userIds.length &&
    before.every(({ userId, origin }) => origin === "sync" && userIds.includes(userId));
  // Most rounds find nothing to do, and must not make every process forget what it knows about rights.
  if (isAsBefore) return { added: 0, removed: 0 };
  await bumpAccessVersion(tx);
  const now = await listPeopleOf(tx, team.id);
  const gone = now.filter(({ userId }) => !userIds.includes(userId));
  for (const { userId } of gone) await deleteMember(tx, team.id, userId);
  let added = 0;
  for (const userId of new Set(userIds)) {
    const known = now.find((member) => member.userId === userId);
    if (known?.origin === "sync") continue;
    if (known === undefined) added += 1;
    else await deleteMember(tx, team.id, userId);
    await insertMember(tx, { teamId: team.id, userId, origin: "sync", nowMs });
  }
  await recordAudit(tx, source, nowMs, {
    action: "team.sync",
    target: `team ${team.namespace}/${team.name}`,
    namespace: team.namespace,
    before: { people: now.map(({ username }) => username) },
    after: { people: (await listPeopleOf(tx, team.id)).map(({ username }) => username) },
  });
  return { added, removed: gone.length };
}
