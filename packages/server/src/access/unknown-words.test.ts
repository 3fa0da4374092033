import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { bumpAccessVersion, readAccessVersion } from "./access-version-store.ts";
import { anonymous } from "./actor.ts";
import { createAccess } from "./create-access.ts";
import { listDefaultRoles } from "./default-grant-store.ts";
import { loadNamespaceStanding, loadRights } from "./rights-store.ts";
import { createVersionedCache } from "./versioned-cache.ts";

/*
 * Rows that a newer version wrote, or a hand: words that this one does not know give the least there is.
 */

eachDatabase((open) => {
  test("words that are not known give the least: reading, private, no rank", async (t) => {
    const database = await open(t);
    await database.transaction(async (tx) => {
      const user = { username: "bob", password_hash: null, is_admin: 0, is_disabled: 0, created_at_ms: 0 };
      await tx
        .insertInto("users")
        .values({ ...user, id: 1 })
        .execute();
      const namespace = { name: "acme", kind: "organization", owner_user_id: null, create_on_push: 0 };
      await tx
        .insertInto("namespaces")
        .values({ ...namespace, id: 1, default_visibility: "secret", created_at_ms: 0 })
        .execute();
      const team = { name: "team", role: "emperor", description: "", created_at_ms: 0 };
      await tx
        .insertInto("teams")
        .values({ ...team, id: 1, namespace_id: 1 })
        .execute();
      await tx
        .insertInto("team_members")
        .values({ team_id: 1, user_id: 1, origin: "manual", added_at_ms: 0 })
        .execute();
      const repository = { name: "acme/app", visibility: "everywhere", state: "melted", created_at_ms: 0 };
      await tx
        .insertInto("repositories")
        .values({ ...repository, id: 1, namespace_id: 1 })
        .execute();
      const grant = { namespace_id: 1, repository_id: 1, role: "owner", created_at_ms: 0 };
      await tx
        .insertInto("grants")
        .values({ ...grant, user_id: 1 })
        .execute();
      await tx
        .insertInto("default_grants")
        .values({ namespace_id: 1, team_id: 1, role: "owner", created_at_ms: 0 })
        .execute();
    });
    const facts = await loadRights(database.read, { userId: 1, repository: "acme/app", namespace: "acme" });
    assert.deepEqual(
      [facts.visibility, facts.teamRoles, facts.grants.map(({ role }) => role)],
      ["private", ["member"], ["read"]],
    );
    const standing = await loadNamespaceStanding(database.read, 1, "acme");
    assert.deepEqual(standing?.teamRoles, []);
    const roles = await database.transaction((tx) => listDefaultRoles(tx, 1, undefined));
    assert.deepEqual(roles, [{ subject: { teamId: 1 }, role: "read" }]);
  });

  test("a decision point that answers nothing permits nothing", async (t) => {
    const database = await open(t);
    const clock = { nowMs: () => 0 };
    const access = createAccess({
      database,
      cache: createVersionedCache(database, clock, { maxEntries: 10 }),
      clock,
      anonymousAccess: "full",
      defaultNamespace: "library",
      delegate: {
        authorityOf: async () => "somebody",
        delegatedPatterns: async () => [],
        permitted: async () => [],
        mayCreate: async () => false,
      },
    });
    const decision = await access.decide(anonymous, "pull", parseRepositoryName("acme/app"));
    assert.equal(decision, "unauthenticated");
  });

  test("the version of a database that has lost its counter is 0 and stays so", async (t) => {
    const database = await open(t);
    await database.transaction(async (tx) => {
      await tx.deleteFrom("counters").execute();
      await bumpAccessVersion(tx);
    });
    assert.equal(await readAccessVersion(database.read), 0);
  });
});
