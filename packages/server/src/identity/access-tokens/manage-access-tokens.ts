import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { isLimited, type UserActor } from "../../access/actor.ts";
import {
  areWithin,
  type CredentialScopeJson,
  toCredentialScope,
  toScopeJson,
} from "../../access/credential-scope.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { checkRecentSignIn } from "../../http/check-sign-in.ts";
import { AppError } from "../../lib/app-error.ts";
import { parseIpNetwork } from "../../lib/ip-network.ts";
import { notifyUser } from "../accounts/notify-user.ts";
import { type CreatedCredential, createCredential } from "../credentials/create-credential.ts";
import { presentScopes } from "../credentials/present-scopes.ts";
import { revokeSecret, rotateCredential } from "../credentials/rotate-credential.ts";
import { type CredentialSecret, listSecrets } from "../credentials/secret-store.ts";
import { type AskedLimits, limitChangesOf, limitsOf, shapeLimits } from "../credentials/use-limits.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import {
  type AccessToken,
  type AccessTokenChange,
  deleteAccessToken,
  findAccessTokenById,
  listAccessTokens,
  lockAccessToken,
  updateAccessToken,
} from "./access-token-store.ts";

/** A token and its secrets, as far as they are told again. */
export interface ListedToken {
  readonly token: AccessToken;
  readonly secrets: readonly CredentialSecret[];
}

/**
 * Makes an access token; its secret is told here and never again. `scopes` and `networks` limit what can be had with it, and from where; kind
 * "application" is good for the registry only. `ALREADY_EXISTS` for a name that the user has in use; `NAME_INVALID` and `REQUEST_INVALID` for a
 * pattern or network that is none; `DENIED` when the maker is limited, or is a token that would be outlived; `RECENT_SIGN_IN_REQUIRED` for one without
 * scopes from a browser whose user has not shown for a while that it is them.
 */
export async function createAccessToken(
  deps: IdentityDeps,
  source: AuditSource,
  token: {
    readonly name: string;
    readonly kind?: "personal" | "application";
    readonly description?: string;
    readonly scopes?: readonly CredentialScopeJson[];
    readonly networks?: readonly string[];
    readonly notBeforeMs?: number;
    readonly expiresAtMs?: number;
  } & AskedLimits,
): Promise<CreatedCredential> {
  const maker = ownerOf(source);
  await checkMaker(deps, maker, token.expiresAtMs);
  // Whoever found a browser open must not leave with all that its owner may.
  if (token.scopes === undefined) checkRecentSignIn(maker, deps.clock.nowMs(), deps.sessions.recentMs);
  const asked = token.scopes?.map(toCredentialScope);
  const scopes = asked && (await presentScopes(deps.access, maker, asked));
  const networks = token.networks?.map(parseIpNetwork);
  // No version is bumped: nothing that anybody remembers becomes wrong by it.
  return deps.database.transaction(async (tx) => {
    const created = await createCredential(tx, deps, {
      ...token,
      userId: maker.userId,
      username: maker.username,
      kind: token.kind ?? "personal",
      scopes,
      networks,
      limits: limitsOf(token),
    });
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "access-token.create",
      target: targetOf(maker.username, token.name),
      after: summaryOf(created.token),
    });
    await notifyUser(deps, tx, maker.userId, {
      title: "An access token was made",
      lines: [`The account ${maker.username} has a new access token, named ${token.name}.`],
    });
    return created;
  });
}

/** In the order in which they were made, without their secrets. */
export async function listOwnAccessTokens(
  deps: IdentityDeps,
  source: AuditSource,
): Promise<readonly ListedToken[]> {
  const owner = ownerOf(source);
  refuseLimited(owner);
  return listTokensOf(deps, owner.userId);
}

/** Those of any user. */
export async function listTokensOf(deps: IdentityDeps, userId: number): Promise<readonly ListedToken[]> {
  const tokens = await listAccessTokens(deps.database.read, userId);
  const secrets = await listSecrets(
    deps.database.read,
    tokens.map(({ id }) => id),
  );
  return tokens.map((token) => ({ token, secrets: secrets.get(token.id) ?? [] }));
}

/** One's own token. `NOT_FOUND` when it is not the owner's. */
export async function getOwnAccessToken(
  deps: IdentityDeps,
  source: AuditSource,
  id: number,
): Promise<ListedToken> {
  const found = (await listOwnAccessTokens(deps, source)).find(({ token }) => token.id === id);
  if (found === undefined) throw noSuchToken(id);
  return found;
}

/**
 * Changes name, description, networks and life of a token, and narrows its scopes: they are never widened, so that what was given to a machine
 * does not grow behind its holder's back. `DENIED` for scopes that carry more than before, and as in `createAccessToken`.
 */
export async function changeAccessToken(
  deps: IdentityDeps,
  source: AuditSource,
  id: number,
  change: {
    readonly name?: string;
    readonly description?: string;
    readonly scopes?: readonly CredentialScopeJson[];
    readonly networks?: readonly string[] | null;
    readonly expiresAtMs?: number | null;
  } & AskedLimits,
): Promise<ListedToken> {
  const owner = ownerOf(source);
  await checkMaker(deps, owner, change.expiresAtMs === undefined ? 0 : (change.expiresAtMs ?? undefined));
  const { name, description, scopes, networks, expiresAtMs } = change;
  const values: AccessTokenChange = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...limitChangesOf(change),
    ...(scopes === undefined ? {} : { scopes: scopes.map(toCredentialScope) }),
    ...(networks === undefined ? {} : { networks: networks?.map(parseIpNetwork) }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs: expiresAtMs ?? undefined }),
  };
  await deps.database.transaction(async (tx) => {
    const before = await lockAccessToken(tx, owner.userId, id);
    if (before === undefined) throw noSuchToken(id);
    if (before.kind !== "personal" && before.kind !== "application") throw noSuchToken(id);
    if (
      values.scopes !== undefined &&
      before.scopes !== undefined &&
      !areWithin(before.scopes, values.scopes)
    ) {
      throw new AppError("DENIED", "scopes can only be narrowed; make a new token for more");
    }
    if (!(await updateAccessToken(tx, before, values))) {
      throw new AppError("ALREADY_EXISTS", `you have a token named ${JSON.stringify(change.name)} already`);
    }
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "access-token.update",
      target: targetOf(owner.username, before.name),
      before: summaryOf(before),
      after: { ...summaryOf({ ...before, ...values }), ...shapeLimits({ ...before.limits, ...values }) },
    });
  });
  deps.access.changed();
  return getOwnAccessToken(deps, source, id);
}

/** Gives a token a new secret; the old one stays good for the time of grace. See `rotateCredential`. */
export async function rotateAccessToken(
  deps: IdentityDeps,
  source: AuditSource,
  id: number,
  options: { readonly graceSeconds?: number },
): Promise<{ readonly secret: string }> {
  const owner = ownerOf(source);
  refuseLimited(owner);
  const rotated = await deps.database.transaction(async (tx) => {
    const token = await lockAccessToken(tx, owner.userId, id);
    if (token === undefined) throw noSuchToken(id);
    await checkMaker(deps, owner, token.expiresAtMs);
    const made = await rotateCredential(tx, deps, { ...owner, accessTokenId: id }, options);
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "access-token.rotate",
      target: targetOf(owner.username, token.name),
      detail: { graceSeconds: options.graceSeconds },
    });
    return made;
  });
  deps.access.changed();
  return rotated;
}

/** Ends one of a token's two secrets. `NOT_FOUND` when there is no such token or secret. */
export async function revokeTokenSecret(
  deps: IdentityDeps,
  source: AuditSource,
  id: number,
  secretId: number,
): Promise<void> {
  const owner = ownerOf(source);
  refuseLimited(owner);
  await deps.database.transaction(async (tx) => {
    const token = await lockAccessToken(tx, owner.userId, id);
    if (token === undefined) throw noSuchToken(id);
    await revokeSecret(tx, id, secretId);
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "access-token.revoke-secret",
      target: targetOf(owner.username, token.name),
      detail: { secretId },
    });
  });
  deps.access.changed();
}

/** Revokes a token, and with it every bearer and refresh token that was got with it, at once here and within about a second elsewhere. `NOT_FOUND` when it is not the owner's. */
export async function revokeAccessToken(deps: IdentityDeps, source: AuditSource, id: number): Promise<void> {
  const owner = ownerOf(source);
  refuseLimited(owner);
  await revokeTokenOf(deps, source, owner, id);
}

/** As `revokeAccessToken`, of any user. */
export async function revokeTokenOf(
  deps: IdentityDeps,
  source: AuditSource,
  owner: { readonly userId: number; readonly username: string },
  id: number,
): Promise<void> {
  await deps.database.transaction(async (tx) => {
    const name = await deleteAccessToken(tx, owner.userId, id);
    if (name === undefined) throw noSuchToken(id);
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "access-token.revoke",
      target: targetOf(owner.username, name),
    });
  });
  deps.access.changed();
}

/** What an audit entry says of a token. */
export function summaryOf(token: AccessToken) {
  return {
    kind: token.kind,
    name: token.name,
    description: token.description,
    scopes: token.scopes?.map((scope) => ({ ...toScopeJson(scope) })),
    networks: token.networks?.map(({ text }) => text),
    notBeforeMs: token.notBeforeMs,
    expiresAtMs: token.expiresAtMs,
    ...shapeLimits(token.limits),
  };
}

function targetOf(username: string, name: string): string {
  return `access token ${JSON.stringify(name)} of ${username}`;
}

function noSuchToken(id: number): AppError {
  return new AppError("NOT_FOUND", `there is no token ${id}`);
}

function ownerOf({ actor }: AuditSource): UserActor {
  if (actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
  return actor;
}

/** Whoever holds a limited credential must not get an unlimited one with it, nor learn of the others. */
function refuseLimited(actor: UserActor): void {
  if (!isLimited(actor)) return;
  throw new AppError(
    "DENIED",
    "a limited token cannot manage tokens; use your password or an unlimited token",
  );
}

/** A token that expires, or is good from some networks only, must not get itself a longer or freer life. */
async function checkMaker(
  deps: IdentityDeps,
  maker: UserActor,
  expiresAtMs: number | undefined,
): Promise<void> {
  refuseLimited(maker);
  if (maker.accessTokenId === undefined) return;
  const own = await findAccessTokenById(deps.database.read, maker.accessTokenId);
  const ownEndMs = own?.expiresAtMs ?? Number.POSITIVE_INFINITY;
  if (
    own?.networks === undefined &&
    own !== undefined &&
    ownEndMs >= (expiresAtMs ?? Number.POSITIVE_INFINITY)
  )
    return;
  throw new AppError(
    "DENIED",
    "a token cannot make one that outlives it or is good from elsewhere; use your password",
  );
}
