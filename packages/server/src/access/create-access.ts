import { literalPrefixOf, matchesRepository, type RepositoryPattern } from "@entrepot/oci/path-pattern";
import { type RepositoryName, tryParseRepositoryName } from "@entrepot/oci/repository-name";
import type { Scope } from "@entrepot/oci/scope";
import { AppError } from "../lib/app-error.ts";
import type { Clock } from "../lib/clock.ts";
import type { Database } from "../storage/database/database.ts";
import type { Access, DecisionDelegate, ListedRepository, Located, ReadableRepositories } from "./access.ts";
import {
  type NamespaceAction,
  type RepositoryAction,
  repositoryActions,
  type Visibility,
} from "./actions.ts";
import { type Actor, isLimited, type UserActor } from "./actor.ts";
import { carries, namedRepositories } from "./credential-scope.ts";
import { type Asker, atPlace, hasEnded, isPossible, isSomebody, type Right, rightsFrom } from "./permit.ts";
import { loadListable, loadNamespaceStanding, loadRights, type RightsFacts } from "./rights-store.ts";
import type { VersionedCache } from "./versioned-cache.ts";

export interface AccessDeps {
  readonly database: Database;
  readonly cache: VersionedCache;
  readonly clock: Clock;
  /** What nobody in particular may do. */
  readonly anonymousAccess: "none" | "pull" | "full";
  /** Owns repositories whose name has a single component. */
  readonly defaultNamespace: string;
  /** Undefined = no namespace is handed over to anybody outside. */
  readonly delegate?: DecisionDelegate | undefined;
}

const maxAliasSteps = 4;

export function createAccess(deps: AccessDeps): Access {
  const { database, cache, clock, anonymousAccess, defaultNamespace, delegate } = deps;

  function factsFor(userId: number, repository: string): Promise<RightsFacts> {
    return cache.get(`rights ${userId} ${repository}`, () =>
      loadRights(database.read, { userId, repository, namespace: namespaceOf(repository, defaultNamespace) }),
    );
  }

  const factsOf = (actor: Actor, repository: string) =>
    factsFor(actor.kind === "user" ? actor.userId : 0, repository);

  /** What the actor's own rights allow, whatever credential was shown. */
  async function rights(
    actor: Actor,
    repository: string,
    facts: RightsFacts,
  ): Promise<readonly RepositoryAction[]> {
    const authority = await authorityOver(actor, repository);
    if (delegate !== undefined && authority !== undefined) {
      const outside = await outsideRights(delegate, { authority, actor, repository, facts });
      return outside.filter((action) => isPossible(facts.state, action));
    }
    if (isVouchedFor(actor)) {
      return atPlace(facts, repositoryActions).filter((action) => isPossible(facts.state, action));
    }
    const sources = rightsFrom(facts, askerOf(actor, repository), { anonymousAccess, nowMs: clock.nowMs() });
    return union(sources).filter((action) => isPossible(facts.state, action));
  }

  /** The house's own administrators can always look after what is kept in it. */
  async function authorityOver(actor: Actor, repository: string): Promise<string | undefined> {
    return isRegistryAdmin(actor) ? undefined : delegate?.authorityOf(repository);
  }

  /** The present name of the repository that had this one, if the actor may pull it; undefined = the name leads nowhere for them. */
  async function follow(
    actor: Actor,
    repository: RepositoryName,
    facts: RightsFacts,
  ): Promise<RepositoryName | undefined> {
    let { movedTo } = facts;
    // By the namespace and by the repository: a present name leads no further. The bound is for what nobody foresaw.
    for (let step = 0; step < maxAliasSteps && movedTo !== undefined; step += 1) {
      const name = movedTo;
      const found = await factsOf(actor, name);
      if (found.repositoryId === undefined) {
        movedTo = found.movedTo;
        continue;
      }
      const mayPull = (await rights(actor, name, found)).includes("pull");
      // A credential that was made for the old name was made for this repository.
      const isCarried =
        carries(actor.credentialScopes, "pull", repository) || carries(actor.credentialScopes, "pull", name);
      return mayPull && isCarried ? name : undefined;
    }
    return undefined;
  }

  async function locate(
    actor: Actor,
    action: RepositoryAction,
    repository: RepositoryName,
  ): Promise<Located> {
    const facts = await factsOf(actor, repository);
    const present = facts.movedTo === undefined ? undefined : await follow(actor, repository, facts);
    const mayDo =
      present === undefined
        ? (await rights(actor, repository, facts)).includes(action) &&
          carries(actor.credentialScopes, action, repository)
        : action === "pull";
    const name = present ?? repository;
    if (mayDo && (isWithin(actor.limits, repository, action) || isWithin(actor.limits, name, action))) {
      return { decision: "allowed", name };
    }
    if (actor.kind === "anonymous") return { decision: "unauthenticated", name };
    // What a token of somebody else's service does not carry, another of their tokens may.
    return { decision: mayDo || isVouchedFor(actor) ? "insufficient-scope" : "denied", name };
  }

  /** Rows that hidden repositories are not among. What an authority is asked is asked once for all of its rows. */
  async function admits(
    actor: Actor,
    rows: readonly ListedRepository[],
    own: Listable,
  ): Promise<readonly boolean[]> {
    const names = rows
      .map(({ name }) => name)
      .filter((name) => carries(actor.credentialScopes, "pull", name));
    const outside = await readableOutside(actor, names);
    return rows.map((row) => {
      if (!carries(actor.credentialScopes, "pull", row.name)) return false;
      return outside.get(row.name) ?? isReadable(actor, row, own);
    });
  }

  /** Of the names that somebody outside decides about, whether they permit a pull. Where they do not answer, nothing of theirs is listed. */
  async function readableOutside(
    actor: Actor,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, boolean>> {
    const decided = new Map<string, boolean>();
    const byAuthority = new Map<string, string[]>();
    for (const name of names) {
      const authority = await authorityOver(actor, name);
      if (authority !== undefined) byAuthority.set(authority, [...(byAuthority.get(authority) ?? []), name]);
    }
    for (const [authority, own] of byAuthority) {
      const answers = await permittedOrNone(authority, actor, own);
      for (const [index, name] of own.entries()) decided.set(name, answers[index]?.includes("pull") === true);
    }
    return decided;
  }

  async function permittedOrNone(authority: string, actor: Actor, names: readonly string[]) {
    try {
      return (await delegate?.permitted(authority, actor, ["pull"], names)) ?? [];
    } catch (error) {
      if (error instanceof AppError && (error.code === "UNAVAILABLE" || error.code === "OVERLOADED"))
        return [];
      throw error;
    }
  }

  function isReadable(actor: Actor, row: ListedRepository, own: Listable): boolean {
    return (
      isVouchedFor(actor) ||
      isRegistryAdmin(actor) ||
      (actor.kind === "user" && actor.isGivenByIssuer === true) ||
      anonymousAccess === "full" ||
      own.visibilities.includes(row.visibility) ||
      own.repositoryIds.includes(row.id) ||
      own.namespaceIds.includes(row.namespaceId) ||
      own.patterns.some((pattern) => matchesRepository(pattern, row.name))
    );
  }

  async function listableFor(actor: Actor): Promise<Listable> {
    const { account, isAdmin } = askerOf(actor);
    const isOfTheHouse = account === "person" || account === "robot";
    const isPublicOpen = isSomebody(account) || anonymousAccess === "pull";
    const visibilities: readonly Visibility[] = [
      ...(isPublicOpen ? (["public"] as const) : []),
      ...(isOfTheHouse ? (["internal"] as const) : []),
    ];
    const none = { visibilities, repositoryIds: [], namespaceIds: [], patterns: [] };
    if (actor.kind !== "user" || account === "issuer" || isAdmin) return none;
    const own = await cache.get(`listable ${actor.userId}`, () => loadListable(database.read, actor.userId));
    const nowMs = clock.nowMs();
    const grants = own.grants.filter(({ expiresAtMs }) => expiresAtMs === undefined || expiresAtMs > nowMs);
    return {
      visibilities,
      namespaceIds: own.namespaceIds,
      repositoryIds: grants.flatMap(({ repositoryId }) => repositoryId ?? []),
      patterns: grants.flatMap(({ pattern }) => pattern ?? []),
    };
  }

  async function readableRepositories(actor: Actor): Promise<ReadableRepositories> {
    if (actor.limits !== undefined && !carriesCatalog(actor.limits)) {
      throw new AppError("UNAUTHORIZED", "the token does not carry registry:catalog:*", {
        detail: [{ Type: "registry", Name: "catalog", Action: "*" }],
      });
    }
    const delegated = (await delegate?.delegatedPatterns()) ?? [];
    const seesAll = isRegistryAdmin(actor) || anonymousAccess === "full";
    const isAskedOutside = !isRegistryAdmin(actor) && delegated.length > 0;
    if (seesAll && !isAskedOutside && actor.credentialScopes === undefined) return { kind: "all" };
    const own = await listableFor(actor);
    const paths = seesAll ? [""] : [...own.patterns, ...delegated].map(literalPrefixOf);
    const named = actor.credentialScopes && namedRepositories(actor.credentialScopes);
    return {
      kind: "some",
      candidates:
        named === undefined
          ? { ...own, paths }
          : {
              visibilities: [],
              repositoryIds: [],
              namespaceIds: [],
              // A credential with scopes lists what they name, as far as it is readable.
              paths: [...named.names, ...named.patterns.map(literalPrefixOf)],
            },
      admits: (rows) => admits(actor, rows, own),
    };
  }

  async function namespaceRights(actor: UserActor, namespace: string): Promise<readonly NamespaceAction[]> {
    if (actor.account === "issuer") return [];
    if (actor.isAdmin) return ["view", "create", "admin"];
    // Not even a question to the database: PostgreSQL cannot compare with everything that an address can hold.
    if (tryParseRepositoryName(namespace) === undefined) return [];
    const { standing } = await cache.get(`namespace ${actor.userId} ${namespace}`, async () => ({
      standing: await loadNamespaceStanding(database.read, actor.userId, namespace),
    }));
    if (standing === undefined) return [];
    const { isOwner, teamRoles } = standing;
    if (isOwner || teamRoles.includes("admin")) return ["view", "create", "admin"];
    if (teamRoles.includes("creator")) return ["view", "create"];
    return teamRoles.length > 0 || actor.isAuditor ? ["view"] : [];
  }

  return {
    locate,
    decide: async (actor, action, repository) => (await locate(actor, action, repository)).decision,
    async permittedActions(actor, actions, repository) {
      const facts = await factsOf(actor, repository);
      if (facts.movedTo !== undefined && (await follow(actor, repository, facts)) !== undefined) {
        return actions.filter((action) => action === "pull");
      }
      const allowed = await rights(actor, repository, facts);
      return actions.filter(
        (action) => allowed.includes(action) && carries(actor.credentialScopes, action, repository),
      );
    },
    async explain(actor, repository) {
      const facts = await factsOf(actor, repository);
      const nowMs = clock.nowMs();
      return {
        exists: facts.repositoryId !== undefined,
        visibility: facts.visibility,
        state: facts.state,
        createOnPush: facts.createOnPush,
        authority: await authorityOver(actor, repository),
        rights: rightsFrom(facts, askerOf(actor, repository), { anonymousAccess, nowMs }),
        expiredGrantIds: facts.grants.filter((grant) => hasEnded(grant, nowMs)).map(({ id }) => id),
        allowed: await rights(actor, repository, facts),
      };
    },
    async decideOnNamespace(actor, action, namespace) {
      if (actor.kind === "anonymous") return "unauthenticated";
      if (actor.kind === "external" || isLimited(actor)) return "denied";
      return (await namespaceRights(actor, namespace)).includes(action) ? "allowed" : "denied";
    },
    readableRepositories,
    isAdministrator: (actor) => isRegistryAdmin(actor) && !isLimited(actor),
    isAuditor: (actor) => (isRegistryAdmin(actor) || isRegistryAuditor(actor)) && !isLimited(actor),
    changed: () => cache.changed(),
  };
}

/** What somebody outside permits. A repository that is not there is theirs to have created. */
async function outsideRights(
  delegate: DecisionDelegate,
  asked: {
    readonly authority: string;
    readonly actor: Actor;
    readonly repository: string;
    readonly facts: RightsFacts;
  },
): Promise<readonly RepositoryAction[]> {
  const { authority, actor, repository, facts } = asked;
  const exists = facts.repositoryId !== undefined;
  // Clients look what is there already before they push: whoever may create may pull what is not there.
  if (!exists && (await delegate.mayCreate(authority, actor, repository))) return ["pull", "push"];
  const [permitted = []] = await delegate.permitted(authority, actor, repositoryActions, [repository]);
  return exists ? permitted : permitted.filter((action) => action !== "push");
}

/** Whether an authority outside has said what they may, in the token itself: then its scopes are their rights. */
function isVouchedFor(actor: Actor): boolean {
  return actor.kind === "external" && actor.credentialScopes !== undefined;
}

interface Listable {
  readonly visibilities: readonly Visibility[];
  readonly repositoryIds: readonly number[];
  readonly namespaceIds: readonly number[];
  readonly patterns: readonly RepositoryPattern[];
}

/** An issuer makes credentials and can do nothing else, whatever somebody wrote into its row. */
function isRegistryAdmin(actor: Actor): boolean {
  return actor.kind === "user" && actor.isAdmin && actor.account !== "issuer";
}

function isRegistryAuditor(actor: Actor): boolean {
  return actor.kind === "user" && actor.isAuditor && actor.account !== "issuer";
}

function askerOf(actor: Actor, repository?: string): Asker {
  if (actor.kind === "user") {
    const asker = { account: actor.account, isAdmin: isRegistryAdmin(actor) };
    if (actor.isGivenByIssuer !== true || repository === undefined) return asker;
    const given = repositoryActions.filter((action) => carries(actor.credentialScopes, action, repository));
    return { ...asker, given };
  }
  // Somebody from outside is nobody of the house: public repositories are theirs as everybody's.
  return { account: actor.kind === "external" ? "issued" : "anonymous", isAdmin: false };
}

/** In the order in which the actions are declared. */
function union(rights: readonly Right[]): readonly RepositoryAction[] {
  return repositoryActions.filter((action) => rights.some((right) => right.actions.includes(action)));
}

/** The scope that the challenge of a listing asks for. */
function carriesCatalog(limits: readonly Scope[]): boolean {
  return limits.some(
    ({ type, name, actions }) => type === "registry" && name === "catalog" && actions.includes("*"),
  );
}

/** Scopes of a token name repositories as a whole, without patterns; undefined limits are none. */
function isWithin(
  limits: readonly Scope[] | undefined,
  repository: RepositoryName,
  action: RepositoryAction,
): boolean {
  if (limits === undefined) return true;
  return limits.some(
    (scope) =>
      scope.type === "repository" &&
      scope.name === repository &&
      (scope.actions.includes(action) || scope.actions.includes("*")),
  );
}

/** Single-component names lie in the default namespace; else the first component is the namespace. */
export function namespaceOf(name: string, defaultNamespace: string): string {
  const slash = name.indexOf("/");
  return slash < 0 ? defaultNamespace : name.slice(0, slash);
}
