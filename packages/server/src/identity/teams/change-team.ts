import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { TeamRole } from "../../access/rights-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getHeldNamespace } from "../organizations/find-organizations.ts";
import { getLockedTeam, isTeamName, type Team } from "./find-teams.ts";
import { keepAdministrable } from "./keep-administrable.ts";
import { deleteTeamRow, findTeam, insertTeam, updateTeam } from "./team-store.ts";

/**
 * Creates a team without members. `NOT_FOUND` when there is no such namespace; `REQUEST_INVALID` for a name that is none, and for a user's own
 * namespace, which has no teams; `ALREADY_EXISTS`.
 */
export async function createTeam(
  deps: IdentityDeps,
  call: Call,
  team: {
    readonly namespace: string;
    readonly name: string;
    readonly role: TeamRole;
    readonly description: string;
  },
): Promise<Team> {
  checkName(team.name);
  const nowMs = deps.clock.nowMs();
  const created = await deps.database.transaction(async (tx) => {
    const namespace = await getHeldNamespace(tx, team.namespace);
    if (namespace.kind === "user") {
      throw new AppError(
        "REQUEST_INVALID",
        `${team.namespace} is a user's own; only organizations have teams`,
      );
    }
    const row = await insertTeam(tx, { ...team, namespaceId: namespace.id, nowMs });
    if (row === undefined) throw taken(team.namespace, team.name);
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, nowMs, {
      action: "team.create",
      target: `team ${team.namespace}/${team.name}`,
      namespace: team.namespace,
      after: describe(row),
    });
    return row;
  });
  deps.access.changed();
  return created;
}

/**
 * Changes what is given of a team; in force at once, for tokens already issued, too. `NOT_FOUND`; `ALREADY_EXISTS` for the name of another;
 * `IN_USE` when nobody would be left to administer the organization. May be repeated.
 */
export async function changeTeam(
  deps: IdentityDeps,
  call: Call,
  team: { readonly namespace: string; readonly name: string },
  change: { readonly name?: string; readonly role?: TeamRole; readonly description?: string },
): Promise<Team> {
  if (change.name !== undefined) checkName(change.name);
  const nowMs = deps.clock.nowMs();
  const changed = await deps.database.transaction(async (tx) => {
    const { namespace, team: before } = await getLockedTeam(tx, team.namespace, team.name);
    await bumpAccessVersion(tx);
    if (change.name !== undefined && change.name !== before.name) {
      const other = await findTeam(tx, namespace.id, change.name);
      if (other !== undefined) throw taken(namespace.name, change.name);
    }
    await keepAdministrable(tx, namespace.id, nowMs, () => updateTeam(tx, before.id, change));
    const after = { ...before, ...change };
    await recordAudit(tx, call, nowMs, {
      action: "team.update",
      target: `team ${namespace.name}/${before.name}`,
      namespace: namespace.name,
      before: describe(before),
      after: describe(after),
    });
    return after;
  });
  deps.access.changed();
  return changed;
}

/** Deletes a team and what was granted to it. `NOT_FOUND`; `IN_USE` when nobody would be left to administer the organization. */
export async function deleteTeam(
  deps: IdentityDeps,
  call: Call,
  team: { readonly namespace: string; readonly name: string },
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const { namespace, team: before } = await getLockedTeam(tx, team.namespace, team.name);
    await bumpAccessVersion(tx);
    await keepAdministrable(tx, namespace.id, nowMs, () => deleteTeamRow(tx, before.id));
    await recordAudit(tx, call, nowMs, {
      action: "team.delete",
      target: `team ${namespace.name}/${before.name}`,
      namespace: namespace.name,
      before: describe(before),
    });
  });
  deps.access.changed();
}

function describe({ name, role, description }: Team) {
  return { name, role, description };
}

function taken(namespace: string, name: string): AppError {
  return new AppError("ALREADY_EXISTS", `${namespace} has a team ${name} already`);
}

function checkName(name: string): void {
  if (isTeamName(name)) return;
  throw new AppError(
    "REQUEST_INVALID",
    "the name of a team has 1 to 64 lower-case letters and digits, in between single dots, one or two underscores, or hyphens",
  );
}
