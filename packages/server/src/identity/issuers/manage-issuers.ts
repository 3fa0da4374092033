import { containsPattern, parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type RepositoryAction, repositoryActions } from "../../access/actions.ts";
import { actorName } from "../../access/actor.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import { parseIpNetwork } from "../../lib/ip-network.ts";
import type { Tx } from "../../storage/database/database.ts";
import { listAccessTokens } from "../access-tokens/access-token-store.ts";
import { createCredential } from "../credentials/create-credential.ts";
import { rotateCredential } from "../credentials/rotate-credential.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getHeldNamespace, getNamespace } from "../organizations/find-organizations.ts";
import { deleteUserRow } from "../users/user-store.ts";
import { deleteIssuedOf } from "./issued-store.ts";
import {
  findIssuer,
  type Issuer,
  type IssuerBox,
  insertIssuer,
  listIssuers,
  lockIssuer,
  updateIssuer,
} from "./issuer-store.ts";

export type { Issuer };

/** Where an issuer belongs: a namespace, or the whole registry (undefined). */
export type IssuerHome = string | undefined;

/** The first part of the names of issuers of the whole registry. No user has this name. */
const systemName = "system";
const credentialName = "issuer";
const deletedAtOnce = 200;

export interface BoxBody {
  readonly repositories: readonly string[];
  readonly actions: readonly RepositoryAction[];
  readonly maxLifetimeSeconds?: number | null;
  readonly maxActive?: number | null;
  readonly requireExpiry?: boolean;
  readonly networks?: readonly string[] | null;
  readonly maxPullsPerHour?: number | null;
}

/** Issuers by name. `NOT_FOUND` when there is no such namespace. */
export async function listIssuersAt(deps: IdentityDeps, home: IssuerHome): Promise<readonly Issuer[]> {
  const namespace = home === undefined ? undefined : await getNamespace(deps, home);
  return listIssuers(deps.database.read, namespace?.id);
}

/** `NOT_FOUND` when there is none of that name. */
export async function getIssuer(deps: IdentityDeps, home: IssuerHome, name: string): Promise<Issuer> {
  const found = await findIssuer(deps.database.read, usernameOf(home, name));
  if (found === undefined) throw noSuchIssuer(name);
  return found;
}

/**
 * Makes a principal that can create, rotate and revoke credentials within its box, and do nothing else. Its own secret is told here and never again.
 * `ALREADY_EXISTS` for a name in use; `NOT_FOUND` for a namespace that is not there; `DENIED` for a box that reaches outside the namespace;
 * `NAME_INVALID` and `REQUEST_INVALID` for patterns and networks that are none.
 */
export async function createIssuer(
  deps: IdentityDeps,
  source: AuditSource,
  home: IssuerHome,
  issuer: BoxBody & { readonly name: string; readonly description?: string },
): Promise<{ readonly issuer: Issuer; readonly secret: string }> {
  const box = toBox(home, issuer);
  const username = usernameOf(home, issuer.name);
  return deps.database.transaction(async (tx) => {
    const nowMs = deps.clock.nowMs();
    const namespaceId = home === undefined ? undefined : (await getHeldNamespace(tx, home)).id;
    const userId = await insertIssuer(tx, {
      username,
      namespaceId,
      description: issuer.description ?? "",
      createdBy: actorName(source.actor),
      nowMs,
      box,
    });
    if (userId === undefined) {
      throw new AppError("ALREADY_EXISTS", `there is an account named ${username} already`);
    }
    const { secret } = await createCredential(tx, deps, {
      userId,
      username,
      kind: "issuer",
      name: credentialName,
    });
    await recordAudit(tx, source, nowMs, {
      action: "issuer.create",
      target: `issuer ${username}`,
      namespace: home,
      after: boxSummary(box),
    });
    return { issuer: await mustFind(tx, username), secret };
  });
}

/** Changes the box and everything that was issued with it, at once; `isDisabled` stops all of it. Errors as `createIssuer`. */
export async function changeIssuer(
  deps: IdentityDeps,
  source: AuditSource,
  home: IssuerHome,
  name: string,
  change: Partial<BoxBody> & { readonly description?: string; readonly isDisabled?: boolean },
): Promise<Issuer> {
  const { userId, username } = await getIssuer(deps, home, name);
  const changed = await deps.database.transaction(async (tx) => {
    const before = await lockIssuer(tx, userId);
    if (before === undefined) throw noSuchIssuer(name);
    const box = toBox(home, { ...toBody(before.box), ...change });
    await updateIssuer(tx, userId, {
      description: change.description ?? before.description,
      isDisabled: change.isDisabled ?? before.isDisabled,
      box,
    });
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "issuer.update",
      target: `issuer ${username}`,
      namespace: home,
      before: { ...boxSummary(before.box), isDisabled: before.isDisabled },
      after: { ...boxSummary(box), isDisabled: change.isDisabled ?? before.isDisabled },
    });
    return mustFind(tx, username);
  });
  deps.access.changed();
  return changed;
}

/**
 * Deletes an issuer and everything that it issued. It is disabled first, so that nothing of it is good from that moment on; then its accounts go, so
 * many at a time that nobody waits for one of these transactions; then itself. When that is broken off, it stays disabled with what is left: ask again.
 * `NOT_FOUND` when there is none of that name.
 */
export async function deleteIssuer(
  deps: IdentityDeps,
  source: AuditSource,
  home: IssuerHome,
  name: string,
): Promise<void> {
  const { userId, username } = await getIssuer(deps, home, name);
  const about = { target: `issuer ${username}`, namespace: home };
  await deps.database.transaction(async (tx) => {
    const before = await lockIssuer(tx, userId);
    if (before === undefined) throw noSuchIssuer(name);
    if (before.isDisabled) return;
    await updateIssuer(tx, userId, { ...before, isDisabled: true });
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "issuer.update",
      ...about,
      before: { isDisabled: false },
      after: { isDisabled: true },
      detail: { because: "it is deleted" },
    });
  });
  deps.access.changed();
  let accounts = 0;
  for (;;) {
    const deleted = await deps.database.transaction((tx) => deleteIssuedOf(tx, userId, deletedAtOnce), {
      durable: false,
    });
    accounts += deleted;
    if (deleted < deletedAtOnce) break;
  }
  await deps.database.transaction(async (tx) => {
    // What was being issued while it was disabled is there by now, or never will be.
    if ((await lockIssuer(tx, userId)) === undefined) throw noSuchIssuer(name);
    await deleteUserRow(tx, userId);
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "issuer.delete",
      ...about,
      detail: { accounts },
    });
  });
  deps.access.changed();
}

/** Gives an issuer a new secret of its own; the old one stays good for the time of grace. See `rotateCredential`. */
export async function rotateIssuer(
  deps: IdentityDeps,
  source: AuditSource,
  home: IssuerHome,
  name: string,
  options: { readonly graceSeconds?: number },
): Promise<{ readonly issuer: Issuer; readonly secret: string }> {
  const issuer = await getIssuer(deps, home, name);
  const rotated = await deps.database.transaction(async (tx) => {
    if ((await lockIssuer(tx, issuer.userId)) === undefined) throw noSuchIssuer(name);
    const [token] = await listAccessTokens(tx, issuer.userId);
    if (token === undefined) throw noSuchIssuer(name);
    const made = await rotateCredential(tx, deps, { ...issuer, accessTokenId: token.id }, options);
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "issuer.rotate",
      target: `issuer ${issuer.username}`,
      namespace: home,
      detail: { graceSeconds: options.graceSeconds },
    });
    return made;
  });
  deps.access.changed();
  return { issuer, secret: rotated.secret };
}

function usernameOf(home: IssuerHome, name: string): string {
  return `${home ?? systemName}+${name}`;
}

/** The namespace that an issuer's account belongs to, told by its name; undefined = the whole registry. */
export function homeOfIssuer(username: string): IssuerHome {
  const [home] = username.split("+", 1);
  return home === systemName ? undefined : home;
}

function toBox(home: IssuerHome, body: BoxBody): IssuerBox {
  const repositories = body.repositories.map(parseRepositoryPattern);
  if (home !== undefined) {
    const whole = parseRepositoryPattern(`${home}/**`);
    const outside = repositories.find((pattern) => !containsPattern(whole, pattern));
    if (outside !== undefined) {
      throw new AppError(
        "DENIED",
        `${outside} reaches outside ${home}; an issuer of ${home} stays within it`,
      );
    }
  }
  return {
    repositories,
    // In one order, each once.
    actions: repositoryActions.filter((action) => body.actions.includes(action)),
    maxLifetimeSeconds: body.maxLifetimeSeconds ?? undefined,
    maxActive: body.maxActive ?? undefined,
    requireExpiry: body.requireExpiry ?? false,
    networks: body.networks?.map(parseIpNetwork),
    maxPullsPerHour: body.maxPullsPerHour ?? undefined,
  };
}

function toBody(box: IssuerBox): BoxBody {
  return {
    repositories: box.repositories,
    actions: box.actions,
    maxLifetimeSeconds: box.maxLifetimeSeconds ?? null,
    maxActive: box.maxActive ?? null,
    requireExpiry: box.requireExpiry,
    networks: box.networks?.map(({ text }) => text) ?? null,
    maxPullsPerHour: box.maxPullsPerHour ?? null,
  };
}

/** The box as the API and the audit tell it. */
export function boxSummary(box: IssuerBox) {
  return {
    repositories: [...box.repositories],
    actions: [...box.actions],
    maxLifetimeSeconds: box.maxLifetimeSeconds ?? null,
    maxActive: box.maxActive ?? null,
    requireExpiry: box.requireExpiry,
    networks: box.networks?.map(({ text }) => text) ?? null,
    maxPullsPerHour: box.maxPullsPerHour ?? null,
  };
}

async function mustFind(tx: Tx, username: string): Promise<Issuer> {
  const found = await findIssuer(tx, username);
  if (found === undefined) throw new Error(`the issuer ${username} is not where it was written`);
  return found;
}

function noSuchIssuer(name: string): AppError {
  return new AppError("NOT_FOUND", `there is no issuer ${JSON.stringify(name.slice(0, 80))}`);
}
