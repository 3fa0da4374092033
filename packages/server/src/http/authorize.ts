import { formatBearerChallenge } from "@entrepot/oci/challenge";
import { quoted } from "@entrepot/oci/oci-error";
import { parseRepositoryName, type RepositoryName } from "@entrepot/oci/repository-name";
import { formatScopes, mergeScopes, type Scope } from "@entrepot/oci/scope";
import type { Access, Located } from "../access/access.ts";
import type { NamespaceAction, RepositoryAction } from "../access/actions.ts";
import { type Actor, isLimited } from "../access/actor.ts";
import { carries, tagLimits } from "../access/credential-scope.ts";
import { AppError } from "../lib/app-error.ts";
import { assertNever } from "../lib/assert-never.ts";
import { type MaybePromise, whenReady } from "../lib/maybe-promise.ts";
import type { Endpoint, Permission } from "./endpoint.ts";

interface Target {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

/**
 * Checks an endpoint's permission before its handler runs. Throws `UNAUTHORIZED` (→ challenge) or `DENIED`. Answers the parameters to work with: the
 * ones given, but for the present name in place of one that a repository had before.
 */
export function authorize(
  access: Access,
  actor: Actor,
  endpoint: Endpoint,
  target: Target,
): MaybePromise<Target["params"]> {
  refuseMisplaced(actor, endpoint);
  if (endpoint.can.who === "repository") {
    return authorizeRepository(access, actor, {
      can: endpoint.can,
      params: target.params,
      honoursTagLimits: endpoint.honoursTagLimits === true,
    });
  }
  return authorizeOther(access, actor, endpoint.can, target).then(() => target.params);
}

function authorizeRepository(
  access: Access,
  actor: Actor,
  asked: Pick<Target, "params"> & {
    readonly can: Extract<Permission, { who: "repository" }>;
    readonly honoursTagLimits: boolean;
  },
): MaybePromise<Target["params"]> {
  const { can, params } = asked;
  const repository = parseRepositoryName(params["name"] ?? "");
  return whenReady(access.locate(actor, can.action, repository), (located) => {
    if (located.decision !== "allowed")
      return refuseRepository(access, actor, asked, { repository, located });
    const { name } = located;
    if (!asked.honoursTagLimits && isForSomeTags(actor, can.action, [repository, name])) {
      throw new AppError(
        "DENIED",
        "the credential is limited to some tags, and this is about the whole repository",
      );
    }
    return name === repository ? params : { ...params, name };
  });
}

/** Unless the actor oversees it, where that counts. */
async function refuseRepository(
  access: Access,
  actor: Actor,
  { can, params }: Pick<Target, "params"> & { readonly can: Extract<Permission, { who: "repository" }> },
  found: { readonly repository: RepositoryName; readonly located: Located },
): Promise<Target["params"]> {
  const { repository } = found;
  const { decision, name } = found.located;
  if (can.orOverseer === true && (await oversees(access, actor, repository))) return params;
  if (decision === "unauthenticated") throw signIn();
  if (decision === "insufficient-scope") {
    throw new AppError("UNAUTHORIZED", `the token does not carry ${can.action} on ${repository}`, {
      detail: [{ Type: "repository", Name: repository, Action: can.action }],
    });
  }
  if (name !== repository) {
    throw new AppError(
      "DENIED",
      `${repository} is called ${name} now; use that name to ${verbs[can.action]} it`,
    );
  }
  // The same sentence whether there is such a repository or not.
  throw new AppError("DENIED", `you may not ${verbs[can.action]} ${repository}, or it does not exist`);
}

async function oversees(access: Access, actor: Actor, repository: RepositoryName): Promise<boolean> {
  return access.isAuditor(actor) || (await access.decide(actor, "admin", repository)) === "allowed";
}

async function authorizeOther(
  access: Access,
  actor: Actor,
  can: Exclude<Permission, { who: "repository" }>,
  target: Target,
): Promise<void> {
  switch (can.who) {
    case "public":
    case "identified":
      return;
    case "signed-in":
      if (actor.kind === "user") return;
      throw signIn();
    case "person":
      if (actor.kind === "anonymous") throw signIn();
      if (actor.kind === "user" && actor.account === "person" && !isLimited(actor)) return;
      throw new AppError("DENIED", "only a person with an unlimited credential may do this");
    case "issuer":
      if (actor.kind === "anonymous") throw signIn();
      if (actor.kind === "user" && actor.account === "issuer" && !isLimited(actor)) return;
      throw new AppError("DENIED", "only an issuer may do this");
    case "auditor":
      if (actor.kind === "anonymous") throw signIn();
      if (access.isAuditor(actor)) return;
      throw new AppError(
        "DENIED",
        "only an administrator or auditor with an unlimited credential may do this",
      );
    case "namespace": {
      const namespace = target.params["namespace"] ?? "";
      const decision = await access.decideOnNamespace(actor, can.action, namespace);
      if (decision === "allowed") return;
      if (decision === "unauthenticated") throw signIn();
      throw new AppError(
        "DENIED",
        `you may not ${namespaceVerbs[can.action]} ${quoted(namespace)}, or it does not exist`,
      );
    }
    case "administrator":
      if (actor.kind === "anonymous") throw signIn();
      if (access.isAdministrator(actor)) return;
      throw new AppError("DENIED", "only an administrator with an unlimited credential may do this");
    default:
      assertNever(can);
  }
}

const namespaceVerbs: Readonly<Record<NamespaceAction, string>> = {
  view: "look into",
  create: "create repositories in",
  admin: "administer",
};

/** By whichever name of the repository the credential was made for. */
function isForSomeTags(
  { credentialScopes }: Actor,
  action: RepositoryAction,
  names: readonly RepositoryName[],
): boolean {
  const named = names.find((name) => carries(credentialScopes, action, name));
  return named !== undefined && tagLimits(credentialScopes, action, named) !== undefined;
}

/** What some accounts and credentials are never good for, whatever else they may. */
function refuseMisplaced(actor: Actor, { can, path }: Endpoint): void {
  if (actor.kind !== "user" || can.who === "public") return;
  if (actor.account === "issuer" && can.who !== "issuer") {
    throw new AppError("DENIED", "an issuer manages the credentials that it issues, and does nothing else");
  }
  if (actor.isForRegistryOnly === true && path.startsWith("/api/")) {
    throw new AppError(
      "DENIED",
      "this credential is for the registry only: use your password, or a personal token, for the management API",
    );
  }
}

const verbs: Readonly<Record<RepositoryAction, string>> = {
  pull: "pull from",
  push: "push to",
  delete: "delete from",
  admin: "administer",
};

function signIn(): AppError {
  return new AppError("UNAUTHORIZED", "sign in: this needs a user name and password, or a token");
}

/** What a token for a request must carry (oci: GET and HEAD pull; POST, PUT and PATCH pull and push; DELETE delete). */
function scopesOf(endpoint: Endpoint, target: Target): readonly Scope[] {
  const extra = endpoint.extraScopes?.(target) ?? [];
  const name = target.params["name"];
  if (endpoint.can.who !== "repository" || name === undefined) return extra;
  const { action } = endpoint.can;
  const actions = action === "push" ? ["pull", "push"] : [action];
  return mergeScopes([{ type: "repository", name, actions }, ...extra]);
}

/**
 * The challenge of a 401: Bearer, and nothing beside it. Basic is taken all the same. Docker keeps a refresh token instead of the password when it gets one, and
 * then answers a Basic challenge that stands beside ours with "no basic auth credentials", although it has a token. `error` only when a token was
 * presented: a client gives up when it gets one for a token it has just fetched.
 */
export function challengeFor(challenge: {
  readonly endpoint: Endpoint | undefined;
  readonly target: Target;
  readonly origin: string;
  readonly tokenService: string;
  /** Undefined = our own service gives tokens. */
  readonly elsewhere?: { readonly realm: string; readonly service: string } | undefined;
  readonly presented: "nothing" | "password" | "bad-token" | "narrow-token";
}): string {
  const { endpoint, target, presented } = challenge;
  return formatBearerChallenge({
    realm: challenge.elsewhere?.realm ?? `${challenge.origin}/token`,
    service: challenge.elsewhere?.service ?? challenge.tokenService,
    scope: endpoint === undefined ? "" : formatScopes(scopesOf(endpoint, target)),
    ...(presented === "bad-token" ? { error: "invalid_token" } : {}),
    ...(presented === "narrow-token" ? { error: "insufficient_scope" } : {}),
  });
}
