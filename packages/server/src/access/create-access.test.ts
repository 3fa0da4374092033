import assert from "node:assert/strict";
import { test } from "node:test";
import type { RepositoryPattern } from "@entrepot/oci/path-pattern";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import type { Scope } from "@entrepot/oci/scope";
import fc from "fast-check";
import type { Database } from "../storage/database/database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import type { Access, ReadableRepositories } from "./access.ts";
import { namespaceActions, repositoryActions } from "./actions.ts";
import { type Actor, accountKinds, anonymous, type UserActor } from "./actor.ts";
import { createAccess } from "./create-access.ts";
import { type CredentialScope, toCredentialScope } from "./credential-scope.ts";
import { isEmptyListing } from "./is-empty-listing.ts";
import { toVisibility } from "./rights-store.ts";
import {
  fillWorld,
  names,
  namespaceNames,
  nowMs,
  patterns,
  type World,
  worlds,
} from "./testing/access-world.ts";
import {
  createNaiveAccess,
  delegateOf,
  type Mode,
  type NaiveAccess,
  readTables,
} from "./testing/naive-access.ts";
import { createVersionedCache } from "./versioned-cache.ts";

const modes = ["none", "pull", "full"] as const;

const scope: fc.Arbitrary<Scope> = fc.record({
  type: fc.constantFrom("repository", "repository", "registry"),
  name: fc.constantFrom<string>(...names, "catalog"),
  actions: fc.subarray(["pull", "push", "delete", "admin", "*"]),
});

const credential = fc
  .record({
    repositories: fc.constantFrom<string>(...names, ...patterns),
    tags: fc.constantFrom(undefined, "v*"),
    actions: fc.subarray([...repositoryActions]),
  })
  .map(toCredentialScope);

const askers = fc.record({
  who: fc.constantFrom("anonymous" as const, "external" as const, 0, 1, 2, 3),
  limits: fc.option(fc.array(scope, { maxLength: 4 }), { nil: undefined }),
  credential: fc.option(fc.array(credential, { maxLength: 4 }), { nil: undefined }),
});

eachDatabase((open) => {
  for (const mode of modes) {
    test(`decides as the tables say, with anonymous access "${mode}"`, async (t) => {
      const database = await open(t);
      let delegated: readonly RepositoryPattern[] = [];
      const access = openAccess(database, mode, () => delegated);
      const property = async (world: World, asking: readonly Asking[]) => {
        await fillWorld(database, world);
        delegated = world.delegated;
        access.changed();
        const naive = createNaiveAccess(await readTables(database), mode, delegated);
        for (const asker of asking) await compare(access, naive, toActor(naive, asker));
      };
      const asking = fc.array(askers, { minLength: 2, maxLength: 5 });
      await fc.assert(fc.asyncProperty(worlds, asking, property), { numRuns: 40 });
    });
  }

  test("no grant reaches outside the path of its pattern, whatever it gives", async (t) => {
    const database = await open(t);
    const component = fc.stringMatching(/^[ab*]{1,3}$/).filter((text) => !text.includes("**"));
    const pattern = fc
      .tuple(fc.array(component, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([parts, isOpen]) => [...parts, ...(isOpen ? ["**"] : [])].join("/"));
    const name = fc.array(fc.stringMatching(/^[ab]{1,3}$/), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(pattern, fc.array(name, { minLength: 5, maxLength: 20 }), async (granted, asked) => {
        const access = openAccess(database, "none", () => []);
        await fillWorld(database, worldWithGrant(granted));
        access.changed();
        const naive = createNaiveAccess(await readTables(database), "none", []);
        const user = toActor(naive, { who: 3, limits: undefined, credential: undefined });
        const literal = granted.split("/").findIndex((part) => part.includes("*"));
        const parts = granted.split("/").slice(0, literal < 0 ? undefined : literal);
        for (const components of asked) {
          const may = await access.decide(user, "pull", parseRepositoryName(components.join("/")));
          if (may !== "allowed") continue;
          assert.deepEqual(
            components.slice(0, parts.length),
            parts,
            `${granted} reaches ${components.join("/")}`,
          );
          const isOpen = granted.endsWith("**");
          const depth = granted.split("/").length;
          assert.ok(isOpen ? components.length >= depth : components.length === depth);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("tells a stranger the same of a repository that is not theirs, a hidden one, and none", async (t) => {
    const database = await open(t);
    const access = openAccess(database, "pull", () => []);
    const repository = { visibility: "private", state: "active" } as const;
    await fillWorld(database, {
      ...emptyWorld,
      repositories: [
        { ...repository, name: parseRepositoryName("acme/a") },
        { ...repository, name: parseRepositoryName("acme/ab"), visibility: "public", state: "hidden" },
      ],
    });
    access.changed();
    const naive = createNaiveAccess(await readTables(database), "pull", []);
    const stranger = toActor(naive, { who: 3, limits: undefined, credential: undefined });
    for (const action of repositoryActions) {
      for (const actor of [stranger, anonymous]) {
        const answers = ["acme/a", "acme/ab", "acme/none", "nowhere/none"].map((name) =>
          access.decide(actor, action, parseRepositoryName(name)),
        );
        const expected = actor === anonymous ? "unauthenticated" : "denied";
        assert.deepEqual(new Set(await Promise.all(answers)), new Set([expected]));
      }
    }
  });

  test("lists nothing for a token that does not carry the catalog, and asks for one that does", async (t) => {
    const access = openAccess(await open(t), "pull", () => []);
    const limits = [{ type: "repository", name: "acme/a", actions: ["pull"] }];
    for (const actor of [
      { ...userActor(1), limits },
      { ...anonymous, limits },
    ]) {
      await assert.rejects(access.readableRepositories(actor), { name: "AppError", code: "UNAUTHORIZED" });
    }
    const catalog = [{ type: "registry", name: "catalog", actions: ["*"] }];
    const readable = await access.readableRepositories({ ...anonymous, limits: catalog });
    assert.equal(isEmptyListing(readable), false);
    const nothing = await openAccess(await open(t), "none", () => []).readableRepositories(anonymous);
    assert.equal(isEmptyListing(nothing), true, "nobody need ask");
  });

  test("makes nobody an administrator or auditor by a limited credential, and no issuer at all", async (t) => {
    const access = openAccess(await open(t), "full", () => []);
    const administrator = { ...userActor(1), isAdmin: true };
    const auditor = { ...userActor(1), isAuditor: true };
    const limits = [{ type: "repository", name: "acme/a", actions: ["*"] }];
    const credentialScopes = [toCredentialScope({ repositories: "**", actions: repositoryActions })];
    for (const account of accountKinds) {
      const isNoIssuer = account !== "issuer";
      assert.equal(access.isAdministrator({ ...administrator, account }), isNoIssuer, account);
      assert.equal(access.isAuditor({ ...administrator, account }), isNoIssuer, account);
      assert.equal(access.isAuditor({ ...auditor, account }), isNoIssuer, account);
      assert.equal(access.isAdministrator({ ...auditor, account }), false);
    }
    for (const limited of [{ limits }, { credentialScopes }]) {
      assert.equal(access.isAdministrator({ ...administrator, ...limited }), false);
      assert.equal(access.isAuditor({ ...administrator, ...limited }), false);
      assert.equal(access.isAuditor({ ...auditor, ...limited }), false);
    }
    for (const actor of [userActor(1), anonymous]) {
      assert.equal(access.isAdministrator(actor), false);
      assert.equal(access.isAuditor(actor), false);
    }
  });
});

/** Everything that the two implementations can be asked. */
async function compare(access: Access, naive: NaiveAccess, actor: Actor): Promise<void> {
  for (const name of names) {
    const permitted = repositoryActions.filter((action) => naive.permitted(actor, action, name));
    assert.deepEqual(await access.permittedActions(actor, repositoryActions, name), permitted, name);
    for (const action of repositoryActions) {
      const expected = naive.locate(actor, action, name);
      assert.deepEqual(await access.locate(actor, action, name), expected, `${action} ${name}`);
      assert.equal(await access.decide(actor, action, name), expected.decision);
    }
    await compareExplanation(access, naive, actor, name);
  }
  for (const namespace of namespaceNames) {
    for (const action of namespaceActions) {
      const expected = naive.onNamespace(actor, action, namespace);
      assert.equal(
        await access.decideOnNamespace(actor, action, namespace),
        expected,
        `${action} ${namespace}`,
      );
    }
  }
  const listed = await access.readableRepositories({ ...actor, limits: undefined });
  for (const row of naive.tables.repositories) {
    const isListed = await isInListing(listed, row);
    assert.equal(isListed, naive.may(actor, "pull", row.name), `${row.name} in the listing`);
  }
}

/** An explanation names as allowed what is allowed, and something that gives it. */
async function compareExplanation(
  access: Access,
  naive: NaiveAccess,
  actor: Actor,
  name: (typeof names)[number],
): Promise<void> {
  // What a trusted token says of itself needs no explanation.
  if (actor.kind === "external" && actor.credentialScopes !== undefined) return;
  const explained = await access.explain(actor, name);
  const unlimited = { ...actor, limits: undefined, credentialScopes: undefined };
  const expected = repositoryActions.filter((action) => naive.may(unlimited, action, name));
  assert.deepEqual(explained.allowed, expected);
  for (const action of explained.allowed) {
    const isGiven = explained.rights.some(({ actions }) => actions.includes(action));
    assert.ok(isGiven || explained.authority !== undefined, `something gives ${action} on ${name}`);
  }
}

async function isInListing(
  listed: ReadableRepositories,
  row: NaiveAccess["tables"]["repositories"][number],
): Promise<boolean> {
  if (row.state === "hidden") return false;
  if (listed.kind === "all") return true;
  const { visibilities, repositoryIds, namespaceIds, paths } = listed.candidates;
  const isCandidate =
    visibilities.some((visibility) => visibility === row.visibility) ||
    repositoryIds.includes(row.id) ||
    namespaceIds.includes(row.namespace_id) ||
    paths.some((path) => path === "" || row.name === path || row.name.startsWith(`${path}/`));
  if (!isCandidate) return false;
  const visibility = toVisibility(row.visibility);
  const [isAdmitted] = await listed.admits([
    { id: row.id, name: row.name, namespaceId: row.namespace_id, visibility },
  ]);
  return isAdmitted === true;
}

const emptyWorld: World = {
  users: Array.from({ length: 4 }, () => ({ kind: "person", isAdmin: false, isAuditor: false }) as const),
  createOnPush: [],
  teams: [],
  repositories: [],
  grants: [],
  aliases: [],
  isFormerAcme: false,
  delegated: [],
};

function worldWithGrant(pattern: string): World {
  return {
    ...emptyWorld,
    grants: [
      {
        subject: { user: 3, team: undefined },
        place: { repository: undefined, pattern: pattern as RepositoryPattern }, // as: generated so
        role: "admin",
        expiresAtMs: undefined,
      },
    ],
  };
}

function openAccess(
  database: Database,
  anonymousAccess: Mode,
  delegated: () => readonly RepositoryPattern[],
): Access {
  const clock = { nowMs: () => nowMs };
  const outside = () => delegateOf(delegated());
  return createAccess({
    database,
    cache: createVersionedCache(database, clock, { maxEntries: 1_000 }),
    clock,
    anonymousAccess,
    defaultNamespace: "library",
    delegate: {
      authorityOf: (name) => outside().authorityOf(name),
      delegatedPatterns: () => outside().delegatedPatterns(),
      permitted: (...asked) => outside().permitted(...asked),
      mayCreate: (...asked) => outside().mayCreate(...asked),
    },
  });
}

interface Asking {
  readonly who: "anonymous" | "external" | number;
  readonly limits: readonly Scope[] | undefined;
  readonly credential: readonly CredentialScope[] | undefined;
}

function toActor({ tables }: NaiveAccess, { who, limits, credential: credentialScopes }: Asking): Actor {
  if (who === "external") {
    const { authority, principal } = { authority: "somebody outside", principal: "eve" };
    return { kind: "external", authority, principal, username: principal, limits, credentialScopes };
  }
  const row = who === "anonymous" ? undefined : tables.users[who];
  if (row === undefined) return { ...anonymous, limits };
  return {
    ...userActor(row.id),
    account: accountKinds.find((kind) => kind === row.kind) ?? "person",
    isAdmin: row.is_admin === 1,
    isAuditor: row.is_auditor === 1,
    limits,
    credentialScopes,
  };
}

function userActor(userId: number): UserActor {
  return {
    kind: "user",
    account: "person",
    userId,
    username: `user ${userId}`,
    isAdmin: false,
    isAuditor: false,
    credential: "password",
    accessTokenId: undefined,
    limits: undefined,
    credentialScopes: undefined,
  };
}
