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
