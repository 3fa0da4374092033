import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { UserActor } from "../../access/actor.ts";
import type { TestRegistry } from "./open-test-registry.ts";
import { userActor } from "./open-test-registry.ts";

/** Somebody with an account, and with a role in some repositories. */
export async function addUser(
  registry: TestRegistry,
  username: string,
  grants: readonly (readonly [RepositoryName, "read" | "write" | "admin"])[] = [],
): Promise<UserActor> {
  const userId = await registry.database.transaction(async (tx) => {
    const { id } = await tx
      .insertInto("users")
      .values({ username, password_hash: null, is_admin: 0, is_disabled: 0, created_at_ms: 0 })
      .returning("id")
      .executeTakeFirstOrThrow();
    for (const [name, role] of grants) {
      const repository = await tx
        .selectFrom("repositories")
        .select("id")
        .where("name", "=", name)
        .executeTakeFirstOrThrow();
      await tx
        .insertInto("grants")
        .values({ user_id: id, repository_id: repository.id, role, created_at_ms: 0 })
        .execute();
    }
    return id;
  });
  registry.deps.access.changed();
  return userActor(userId, username);
}

/** A namespace of somebody, or an organization. */
export async function addNamespace(registry: TestRegistry, name: string, owner?: UserActor): Promise<number> {
  const { id } = await registry.database.transaction((tx) =>
    tx
      .insertInto("namespaces")
      .values({
        name,
        kind: owner === undefined ? "organization" : "user",
        owner_user_id: owner?.userId ?? null,
        default_visibility: "private",
        create_on_push: 1,
        created_at_ms: 0,
      })
      .returning("id")
      .executeTakeFirstOrThrow(),
  );
  registry.deps.access.changed();
  return id;
}

export async function addTeam(
  registry: TestRegistry,
  namespace: string,
  team: {
    readonly name: string;
    readonly role: "member" | "creator" | "admin";
    readonly members: readonly UserActor[];
  },
): Promise<number> {
  const teamId = await registry.database.transaction(async (tx) => {
    const { id } = await tx
      .selectFrom("namespaces")
      .select("id")
      .where("name", "=", namespace)
      .executeTakeFirstOrThrow();
    const made = await tx
      .insertInto("teams")
      .values({ namespace_id: id, name: team.name, role: team.role, description: "", created_at_ms: 0 })
      .returning("id")
      .executeTakeFirstOrThrow();
    for (const { userId } of team.members) {
      await tx
        .insertInto("team_members")
        .values({ team_id: made.id, user_id: userId, origin: "manual", added_at_ms: 0 })
        .execute();
    }
    return made.id;
  });
  registry.deps.access.changed();
  return teamId;
}
