import { type RepositoryName, tryParseRepositoryName } from "@entrepot/oci/repository-name";
import type { Scope } from "@entrepot/oci/scope";
import { type MaybePromise, whenReady } from "../lib/maybe-promise.ts";
import type { Access, DecisionDelegate, Located } from "./access.ts";
import type { AccessDeps } from "./access-deps.ts";
import { type NamespaceAction, type RepositoryAction, repositoryActions } from "./actions.ts";
import { type Actor, isLimited, type UserActor } from "./actor.ts";
import { askerOf, isRegistryAdmin, isRegistryAuditor, isVouchedFor } from "./asker-of.ts";
import { carries } from "./credential-scope.ts";
import { createReadableLister } from "./list-readable.ts";
import { atPlace, hasEnded, isPossible, type Right, rightsFrom } from "./permit.ts";
import { loadNamespaceStanding, loadRights, type RightsFacts } from "./rights-store.ts";

const maxAliasSteps = 4;

export function createAccess(deps: AccessDeps): Access {
  const { database, cache, clock, anonymousAccess, defaultNamespace, delegate } = deps;
  const readableRepositories = createReadableLister(deps, authorityOver);

  function factsFor(userId: number, repository: string): MaybePromise<RightsFacts> {
    return cache.get(`rights ${userId} ${repository}`, () =>
      loadRights(database.read, { userId, repository, namespace: namespaceOf(repository, defaultNamespace) }),
    );
  }

  const factsOf = (actor: Actor, repository: string) =>
    factsFor(actor.kind === "user" ? actor.userId : 0, repository);

  /** What the actor's own rights allow, whatever credential was shown. */
  function rights(
    actor: Actor,
    repository: string,
    facts: RightsFacts,
  ): MaybePromise<readonly RepositoryAction[]> {
    return whenReady(authorityOver(actor, repository), (authority) => {
      const all =
        delegate === undefined || authority === undefined
          ? rightsHere(actor, repository, facts)
          : outsideRights(delegate, { authority, actor, repository, facts });
      return whenReady(all, (actions) => actions.filter((action) => isPossible(facts.state, action)));
    });
  }

  function rightsHere(actor: Actor, repository: string, facts: RightsFacts): readonly RepositoryAction[] {
    if (isVouchedFor(actor)) return atPlace(facts, repositoryActions);
    return union(rightsFrom(facts, askerOf(actor, repository), { anonymousAccess, nowMs: clock.nowMs() }));
  }

  /** The house's own administrators can always look after what is kept in it. */
  function authorityOver(actor: Actor, repository: string): MaybePromise<string | undefined> {
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

  function locate(actor: Actor, action: RepositoryAction, repository: RepositoryName): MaybePromise<Located> {
    return whenReady(factsOf(actor, repository), (facts) => {
      const present = facts.movedTo === undefined ? undefined : follow(actor, repository, facts);
      return whenReady(present, (name) => {
        if (name !== undefined) return decided(actor, action, { asked: repository, name }, action === "pull");
        return whenReady(rights(actor, repository, facts), (rightsOfActor) => {
          const mayDo = rightsOfActor.includes(action) && carries(actor.credentialScopes, action, repository);
          return decided(actor, action, { asked: repository, name: repository }, mayDo);
        });
      });
    });
  }

  /** Whether the token presented carries what the actor may do. */
  function decided(
    actor: Actor,
    action: RepositoryAction,
    { asked: repository, name }: { readonly asked: RepositoryName; readonly name: RepositoryName },
    mayDo: boolean,
  ): Located {
    if (mayDo && (isWithin(actor.limits, repository, action) || isWithin(actor.limits, name, action))) {
      return { decision: "allowed", name };
    }
    if (actor.kind === "anonymous") return { decision: "unauthenticated", name };
    // What a token of somebody else's service does not carry, another of their tokens may.
    return { decision: mayDo || isVouchedFor(actor) ? "insufficient-scope" : "denied", name };
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

/** In the order in which the actions are declared. */
function union(rights: readonly Right[]): readonly RepositoryAction[] {
  return repositoryActions.filter((action) => rights.some((right) => right.actions.includes(action)));
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
