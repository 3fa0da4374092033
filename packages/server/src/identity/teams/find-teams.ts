import { tryParseRepositoryName } from "@entrepot/oci/repository-name";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getHeldNamespace, getNamespace, type Namespace } from "../organizations/find-organizations.ts";
import { findTeam, listMembers, listTeams, lockTeam, type Member, type Team } from "./team-store.ts";

export type { Member, Team };

const maxNameLength = 64;

/** Whether a text can be the name of a team: one component of a repository name, of at most 64 characters. */
export function isTeamName(text: string): boolean {
  return text.length <= maxNameLength && !text.includes("/") && tryParseRepositoryName(text) !== undefined;
}

/** The teams of an organization by name, one page, and whether more follow. `NOT_FOUND` when there is no such namespace. */
export async function listTeamPage(
  deps: IdentityDeps,
  namespace: string,
  page: Page,
): Promise<{ readonly teams: readonly Team[]; readonly hasMore: boolean }> {
  const { id } = await getNamespace(deps, namespace);
  if (page.limit === 0) return { teams: [], hasMore: false };
  const rows = await listTeams(deps.database.read, id, { ...page, limit: page.limit + 1 });
  return { teams: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** `NOT_FOUND` when there is no such namespace or team. */
export async function getTeam(deps: IdentityDeps, namespace: string, name: string): Promise<Team> {
  const { id } = await getNamespace(deps, namespace);
  const found = isTeamName(name) ? await findTeam(deps.database.read, id, name) : undefined;
  if (found === undefined) throw noSuchTeam(namespace, name);
  return found;
}

/** The members of a team by name, one page, and whether more follow. `NOT_FOUND` as `getTeam`. */
export async function listMemberPage(
  deps: IdentityDeps,
  team: { readonly namespace: string; readonly name: string },
  page: Page,
): Promise<{ readonly members: readonly Member[]; readonly hasMore: boolean }> {
  const { id } = await getTeam(deps, team.namespace, team.name);
  if (page.limit === 0) return { members: [], hasMore: false };
  const rows = await listMembers(deps.database.read, id, { ...page, limit: page.limit + 1 });
  return { members: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** The team as it is, and its namespace, until the transaction ends. `NOT_FOUND` as `getTeam`. */
export async function getLockedTeam(
  tx: Tx,
  namespace: string,
  name: string,
): Promise<{ readonly namespace: Namespace; readonly team: Team }> {
  const held = await getHeldNamespace(tx, namespace);
  const team = isTeamName(name) ? await lockTeam(tx, held.id, name) : undefined;
  if (team === undefined) throw noSuchTeam(namespace, name);
  return { namespace: held, team };
}

export function noSuchTeam(namespace: string, name: string): AppError {
  return new AppError("NOT_FOUND", `${namespace} has no team ${JSON.stringify(name.slice(0, 80))}`);
}
