import { literalPrefixOf, matchesRepository, type RepositoryPattern } from "@entrepot/oci/path-pattern";
import type { Scope } from "@entrepot/oci/scope";
import { AppError } from "../lib/app-error.ts";
import type { MaybePromise } from "../lib/maybe-promise.ts";
import type { Access, DecisionDelegate, ListedRepository } from "./access.ts";
import type { AccessDeps } from "./access-deps.ts";
import type { Visibility } from "./actions.ts";
import type { Actor } from "./actor.ts";
import { askerOf, isRegistryAdmin, isVouchedFor } from "./asker-of.ts";
import { carries, namedRepositories } from "./credential-scope.ts";
import { isSomebody } from "./permit.ts";
import { loadListable } from "./rights-store.ts";

/** The half of `Access` that lists: what the actor may read, as candidates for one statement and a last word on each row. */
export function createReadableLister(
  deps: AccessDeps,
  authorityOver: (actor: Actor, repository: string) => MaybePromise<string | undefined>,
): Access["readableRepositories"] {
  const { database, cache, clock, anonymousAccess, delegate } = deps;

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
    if (delegate === undefined) return decided;
    const byAuthority = new Map<string, string[]>();
    for (const name of names) {
      const authority = await authorityOver(actor, name);
      if (authority !== undefined) byAuthority.set(authority, [...(byAuthority.get(authority) ?? []), name]);
    }
    for (const [authority, own] of byAuthority) {
      const answers = await permittedOrNone(delegate, authority, actor, own);
      for (const [index, name] of own.entries()) decided.set(name, answers[index]?.includes("pull") === true);
    }
    return decided;
  }

  async function permittedOrNone(
    outside: DecisionDelegate,
    authority: string,
    actor: Actor,
    names: readonly string[],
  ) {
    try {
      return await outside.permitted(authority, actor, ["pull"], names);
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

  return async (actor) => {
    if (actor.limits !== undefined && !carriesCatalog(actor.limits)) {
      throw new AppError("UNAUTHORIZED", "the token does not carry registry:catalog:*", {
        detail: [{ Type: "registry", Name: "catalog", Action: "*" }],
      });
    }
    const delegated = delegate === undefined ? [] : await delegate.delegatedPatterns();
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
  };
}

interface Listable {
  readonly visibilities: readonly Visibility[];
  readonly repositoryIds: readonly number[];
  readonly namespaceIds: readonly number[];
  readonly patterns: readonly RepositoryPattern[];
}

/** The scope that the challenge of a listing asks for. */
function carriesCatalog(limits: readonly Scope[]): boolean {
  return limits.some(
    ({ type, name, actions }) => type === "registry" && name === "catalog" && actions.includes("*"),
  );
}
