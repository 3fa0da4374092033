import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { actorName } from "../../access/actor.ts";
import { type CredentialScopeJson, toCredentialScope } from "../../access/credential-scope.ts";
import { type Json, recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { parseIpNetwork } from "../../lib/ip-network.ts";
import { lockAccessToken, updateAccessToken } from "../access-tokens/access-token-store.ts";
import { createCredential } from "../credentials/create-credential.ts";
import { presentScopes } from "../credentials/present-scopes.ts";
import { revokeSecret, rotateCredential } from "../credentials/rotate-credential.ts";
import { type AskedLimits, limitChangesOf, limitsOf } from "../credentials/use-limits.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getHeldNamespace } from "../organizations/find-organizations.ts";
import { robotUsername } from "../users/account-name.ts";
import { getLockedRobot, getRobot, isRobotName, type ListedRobot, type RobotName } from "./find-robots.ts";
import { deleteRobotRow, insertRobot, type Metadata, type Robot, updateRobot } from "./robot-store.ts";

export interface RobotChange extends AskedLimits {
  readonly description?: string;
  readonly metadata?: Metadata;
  readonly isDisabled?: boolean;
  readonly expiresAtMs?: number | null;
  readonly scopes?: readonly CredentialScopeJson[];
  readonly networks?: readonly string[] | null;
}

const maxMetadataBytes = 4_096;
const dayMs = 86_400_000;

/**
 * Makes a robot, which may nothing until it is granted something, with a secret that is told here and never again; one that the caller has thought
 * of is taken if it is hard to guess. `NOT_FOUND` when there is no such namespace; `ALREADY_EXISTS`; `REQUEST_INVALID` for a name, life, network or
 * secret that is none, and for metadata of more than 4 KiB; `NAME_INVALID` for a scope that is none.
 */
export async function createRobot(
  deps: IdentityDeps,
  call: Call,
  robot: RobotName & Omit<RobotChange, "isDisabled"> & { readonly secret?: string },
): Promise<{ readonly username: string; readonly secret: string }> {
  if (!isRobotName(robot.name)) {
    throw new AppError(
      "REQUEST_INVALID",
      "the name of a robot has 1 to 64 lower-case letters and digits, in between single dots, one or two underscores, or hyphens",
    );
  }
  const nowMs = deps.clock.nowMs();
  const { metadata = {}, description = "" } = robot;
  checkMetadata(metadata);
  checkLife(deps, robot.expiresAtMs ?? null);
  const asked = robot.scopes?.map(toCredentialScope);
  const scopes = asked && (await presentScopes(deps.access, call.actor, asked));
  const networks = robot.networks?.map(parseIpNetwork);
  return deps.database
    .transaction(async (tx) => {
      const namespace = await getHeldNamespace(tx, robot.namespace);
      const username = robotUsername(namespace.name, robot.name);
      const made = await insertRobot(tx, {
        namespaceId: namespace.id,
        username,
        description,
        metadata,
        expiresAtMs: robot.expiresAtMs ?? undefined,
        createdAtMs: nowMs,
        createdBy: actorName(call.actor),
      });
      if (made === undefined) {
        throw new AppError("ALREADY_EXISTS", `${namespace.name} has a robot ${robot.name} already`);
      }
      const { secret } = await createCredential(tx, deps, {
        userId: made.id,
        username,
        kind: "robot",
        name: robot.name,
        scopes,
        networks,
        limits: limitsOf(robot),
        suppliedSecret: robot.secret,
      });
      // That there was nobody of the name may be remembered.
      await bumpAccessVersion(tx);
      await recordAudit(tx, call, nowMs, {
        action: "robot.create",
        ...aboutRobot(namespace.name, made),
        after: describe(made),
      });
      return { username, secret };
    })
    .finally(() => deps.access.changed());
}

/**
 * Changes what is given of a robot; disabling reaches tokens already issued at once. `NOT_FOUND`; `REQUEST_INVALID` and `NAME_INVALID` as
 * `createRobot`. May be repeated.
 */
export async function changeRobot(
  deps: IdentityDeps,
  call: Call,
  name: RobotName,
  change: RobotChange,
): Promise<ListedRobot> {
  const nowMs = deps.clock.nowMs();
  const { scopes, networks, maxPullsPerHour, maxRequestsPerMinute, ...own } = change;
  if (own.metadata !== undefined) checkMetadata(own.metadata);
  if (own.expiresAtMs !== undefined) checkLife(deps, own.expiresAtMs);
  const ofToken = {
    ...(scopes === undefined
      ? {}
      : { scopes: await presentScopes(deps.access, call.actor, scopes.map(toCredentialScope)) }),
    ...(networks === undefined ? {} : { networks: networks?.map(parseIpNetwork) }),
    ...limitChangesOf(change),
  };
  await deps.database.transaction(async (tx) => {
    const { robot, token, namespace } = await getLockedRobot(tx, name);
    await bumpAccessVersion(tx);
    await updateRobot(tx, robot.id, own);
    if (token !== undefined) await updateAccessToken(tx, token, ofToken);
    await recordAudit(tx, call, nowMs, {
      action: "robot.update",
      ...aboutRobot(namespace.name, robot),
      before: describe(robot),
      after: { ...jsonOf(own), scopes: jsonOf(scopes), networks, maxPullsPerHour, maxRequestsPerMinute },
    });
  });
  deps.access.changed();
  return getRobot(deps, name);
}

/**
 * Gives a robot a new secret; the one before stays good for `graceSeconds`, a day when absent. `NOT_FOUND`; `REQUEST_INVALID` for a secret that is
 * too weak or in use. Each call makes another.
 */
export async function rotateRobot(
  deps: IdentityDeps,
  call: Call,
  name: RobotName,
  options: { readonly graceSeconds?: number; readonly secret?: string },
): Promise<{ readonly username: string; readonly secret: string }> {
  const nowMs = deps.clock.nowMs();
  const rotated = await deps.database.transaction(async (tx) => {
    const { robot, token, namespace } = await getLockedRobot(tx, name);
    const locked = token && (await lockAccessToken(tx, robot.id, token.id));
    if (locked === undefined) throw new AppError("NOT_FOUND", `${robot.username} has no credential`);
    await bumpAccessVersion(tx);
    const { secret } = await rotateCredential(
      tx,
      deps,
      { accessTokenId: locked.id, userId: robot.id, username: robot.username },
      { graceSeconds: options.graceSeconds, suppliedSecret: options.secret },
    );
    await recordAudit(tx, call, nowMs, {
      action: "robot.rotate",
      ...aboutRobot(namespace.name, robot),
      detail: { graceSeconds: options.graceSeconds },
    });
    return { username: robot.username, secret };
  });
  deps.access.changed();
  return rotated;
}

/** Ends one of the two secrets of a robot. `NOT_FOUND` when it has no such secret. */
export async function revokeRobotSecret(
  deps: IdentityDeps,
  call: Call,
  name: RobotName,
  secretId: number,
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const { robot, token, namespace } = await getLockedRobot(tx, name);
    await bumpAccessVersion(tx);
    await revokeSecret(tx, token?.id ?? 0, secretId);
    await recordAudit(tx, call, nowMs, {
      action: "robot.revoke-secret",
      ...aboutRobot(namespace.name, robot),
      detail: { secretId },
    });
  });
  deps.access.changed();
}

/** Deletes a robot with its credential and grants; tokens already issued are refused at once. `NOT_FOUND`. */
export async function deleteRobot(deps: IdentityDeps, call: Call, name: RobotName): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const { robot, namespace } = await getLockedRobot(tx, name);
    await bumpAccessVersion(tx);
    await deleteRobotRow(tx, robot.id);
    await recordAudit(tx, call, nowMs, {
      action: "robot.delete",
      ...aboutRobot(namespace.name, robot),
      before: describe(robot),
    });
  });
  deps.access.changed();
}

function checkMetadata(metadata: Metadata): void {
  if (Buffer.byteLength(JSON.stringify(metadata)) <= maxMetadataBytes) return;
  throw new AppError("REQUEST_INVALID", `metadata is larger than ${maxMetadataBytes} bytes`);
}

/** Null = for good, which an operator may forbid. */
function checkLife({ clock, organizations }: IdentityDeps, expiresAtMs: number | null): void {
  const nowMs = clock.nowMs();
  if (expiresAtMs !== null && expiresAtMs <= nowMs) {
    throw new AppError("REQUEST_INVALID", "the robot would have expired already");
  }
  const { maxRobotDays } = organizations;
  if (maxRobotDays === 0 || (expiresAtMs !== null && expiresAtMs <= nowMs + maxRobotDays * dayMs)) return;
  throw new AppError("REQUEST_INVALID", `robots live at most ${maxRobotDays} days here; say \`expiresAtMs\``);
}

function aboutRobot(namespace: string, { username }: Robot) {
  return { target: `robot ${username}`, namespace };
}

function describe({ description, metadata, isDisabled, expiresAtMs }: Robot) {
  return { description, metadata: jsonOf(metadata), isDisabled, expiresAtMs };
}

/** What came as JSON, or goes into it anyway. */
function jsonOf<T>(value: T): { readonly [key: string]: Json | undefined } | undefined {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
