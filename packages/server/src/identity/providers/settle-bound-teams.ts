import type { AuditSource } from "../../activity/audit/record-audit.ts";
import { syncTeamMembers } from "../teams/sync-team-members.ts";
import { takesPasswords } from "./open-providers.ts";
import type { ProviderDeps } from "./provider-deps.ts";
import { listProviders, type SignInProvider } from "./provider-store.ts";
import { listBindings, listBoundProviders, listWantedMembers } from "./team-binding-store.ts";

/**
 * After a pass over a directory: the people of each team that it fills are exactly those in the group; who was put in by hand before goes. Not where a
 * group is missing, which says nothing, nor where another provider of the team is only heard at sign-ins. How many teams changed.
 */
export async function settleBoundTeams(
  deps: ProviderDeps,
  provider: SignInProvider,
  missingGroups: readonly string[],
  source: AuditSource,
): Promise<number> {
  const bindings = await listBindings(deps.database.read, provider.id);
  const heard = new Set(
    (await listProviders(deps.database.read)).filter((one) => !takesPasswords(one.kind)).map(({ id }) => id),
  );
  const skipped = new Set(
    bindings.filter(({ group }) => missingGroups.includes(group)).map(({ teamId }) => teamId),
  );
  const teams = new Map(
    bindings.map((one) => [one.teamId, { id: one.teamId, namespace: one.namespace, name: one.team }]),
  );
  let changed = 0;
  for (const team of teams.values()) {
    if (skipped.has(team.id)) continue;
    const result = await deps.database.transaction(async (tx) => {
      const sources = await listBoundProviders(tx, team.id);
      if (sources.some((id) => heard.has(id))) return { added: 0, removed: 0 };
      const wanted = await listWantedMembers(tx, team.id);
      return syncTeamMembers(tx, source, team, wanted, deps.clock.nowMs());
    });
    if (result.added + result.removed > 0) changed += 1;
  }
  if (changed > 0) deps.access.changed();
  return changed;
}
