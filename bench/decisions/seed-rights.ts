import { parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import { upsertGrant } from "@entrepot/server/access/grant-store";
import type { Database, Tx } from "@entrepot/server/storage/database/database";

/** Of the whole registry. */
export const size = { repositories: 100_000, organizations: 100, teams: 1_000, grants: 10_000 } as const;

const perOrganization = size.repositories / size.organizations;
const teamsPerOrganization = size.teams / size.organizations;

/** Somebody like most: in three teams, with five grants of their own. */
export const usual = { name: "usual", userId: 1 } as const;
/** Somebody who is in every team and to whom, with these, every other grant reaches. */
export const heavy = { name: "heavy", userId: 2 } as const;

export function repositoryName(index: number): string {
  return `org${Math.floor(index / perOrganization)}/group${index % 10}/app${index}`;
}

/** Writes users, organizations, teams, repositories and grants straight into an empty database. */
export async function seedRights(database: Database): Promise<void> {
  await database.transaction(async (tx) => {
    for (const { name, userId } of [usual, heavy]) {
      const user = { username: name, password_hash: null, is_admin: 0, is_disabled: 0, created_at_ms: 0 };
      await tx
        .insertInto("users")
        .values({ ...user, id: userId })
        .execute();
    }
    await seedOrganizations(tx);
    await seedRepositories(tx);
    await seedGrants(tx);
  });
}

async function seedOrganizations(tx: Tx): Promise<void> {
  for (let organization = 0; organization < size.organizations; organization += 1) {
    await tx
      .insertInto("namespaces")
      .values({
        id: organization + 1,
        name: `org${organization}`,
        kind: "organization",
        owner_user_id: null,
        default_visibility: "private",
        create_on_push: 1,
        created_at_ms: 0,
      })
      .execute();
    for (let index = 0; index < teamsPerOrganization; index += 1) {
      const id = organization * teamsPerOrganization + index + 1;
      const team = { name: `team${index}`, role: "member", description: "", created_at_ms: 0 };
      await tx
        .insertInto("teams")
        .values({ ...team, id, namespace_id: organization + 1 })
        .execute();
      const members = id <= 3 ? [usual, heavy] : [heavy];
      await tx
        .insertInto("team_members")
        .values(
          members.map(({ userId }) => ({ team_id: id, user_id: userId, origin: "manual", added_at_ms: 0 })),
        )
        .execute();
    }
  }
}

async function seedRepositories(tx: Tx): Promise<void> {
  const batch = 500;
  for (let start = 0; start < size.repositories; start += batch) {
    const rows = Array.from({ length: batch }, (_, offset) => ({
      id: start + offset + 1,
      name: repositoryName(start + offset),
      namespace_id: Math.floor((start + offset) / perOrganization) + 1,
      visibility: "private",
      created_at_ms: 0,
    }));
    await tx.insertInto("repositories").values(rows).execute();
  }
}

/** Half to teams on paths, half to the heavy user on repositories, but for the five of the usual one. */
async function seedGrants(tx: Tx): Promise<void> {
  const common = { expiresAtMs: undefined, nowMs: 0, createdBy: "", role: "write" } as const;
  for (let index = 0; index < size.grants; index += 1) {
    const repository = (index * 7) % size.repositories;
    const isOnPath = index % 2 === 0;
    const organization = index % size.organizations;
    const pattern = parseRepositoryPattern(`org${organization}/group${index % 10}/app${index}*`);
    await upsertGrant(tx, {
      ...common,
      namespaceId: organization + 1,
      subject: isOnPath
        ? { teamId: (index % size.teams) + 1 }
        : { userId: index < 10 ? usual.userId : heavy.userId },
      place: isOnPath ? { pattern } : { repositoryId: repository + 1 },
    });
  }
}
