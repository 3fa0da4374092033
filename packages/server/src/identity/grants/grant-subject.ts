import type { GrantSubject } from "../../access/grant-store.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import { isTeamName, noSuchTeam } from "../teams/find-teams.ts";
import { findTeam } from "../teams/team-store.ts";
import { getHeldAccount } from "../users/hold-account.ts";

/** Whom a grant is for, by name: an account, or a team of the namespace that the grant is in. */
export type NamedSubject = { readonly username: string } | { readonly team: string };

/** Finds the subject. `NOT_FOUND` when there is no such person, robot or team. An account stays until the transaction ends. */
export async function resolveSubject(
  tx: Tx,
  namespace: { readonly id: number; readonly name: string },
  subject: NamedSubject,
): Promise<GrantSubject> {
  if ("username" in subject) return { userId: (await getHeldAccount(tx, subject.username)).id };
  const team = isTeamName(subject.team) ? await findTeam(tx, namespace.id, subject.team) : undefined;
  if (team === undefined) throw noSuchTeam(namespace.name, subject.team);
  return { teamId: team.id };
}

/** For a person: "ada", "team release". */
export function subjectName(subject: NamedSubject): string {
  return "username" in subject ? subject.username : `team ${subject.team}`;
}

/** `REQUEST_INVALID` unless exactly one of the two is given. */
export function toNamedSubject(given: {
  readonly username?: string | undefined;
  readonly team?: string | undefined;
}): NamedSubject {
  const { username, team } = given;
  if (username !== undefined && team === undefined) return { username };
  if (team !== undefined && username === undefined) return { team };
  throw new AppError("REQUEST_INVALID", "say whom it is for: `username` or `team`, one of them");
}
