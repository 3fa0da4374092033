import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { UserActor } from "../../access/actor.ts";
import { type AuditSource, byRegistry, recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findRole, holdRole, isMember } from "./elevation-role-store.ts";
import {
  closeElevation,
  decideElevation,
  type Elevation,
  findElevation,
  hasOpen,
  insertElevatedGrants,
  insertElevation,
  listOverdue,
  lockElevation,
} from "./elevation-store.ts";
import { referenceOf } from "./manage-elevation-roles.ts";

/** Somebody asks for a role. */
export interface ElevationRequest {
  /** "acme/release"; "administrator" for a role of the registry. */
  readonly role: string;
  readonly reason: string;
  readonly durationSeconds: number;
}

const minReason = 10;
/** A request that nobody decides is over after so long. */
const pendingMs = 86_400_000;

/**
 * Assumes a role for a time, at once or as soon as somebody else approves. `DENIED` when there is no such role or one may not assume it;
 * `REQUEST_INVALID` for too short a reason or too long a time; `ALREADY_EXISTS` while one has asked for it or holds it.
 */
export async function requestElevation(
  deps: IdentityDeps,
  call: Call,
  holder: UserActor,
  request: ElevationRequest,
): Promise<Elevation> {
  const reason = request.reason.trim();
  if (reason.length < minReason) {
    throw new AppError("REQUEST_INVALID", `say why, in ${minReason} characters or more`);
  }
  const isName = /^[a-z0-9._/-]+$/.test(request.role);
  const found = isName ? await findRole(deps.database.read, ...splitReference(request.role)) : undefined;
  if (found === undefined) throw mayNotAssume();
  const { userId } = holder;
  const { durationSeconds } = request;
  const id = await deps.database.transaction(async (tx) => {
    const role = await holdRole(tx, found.id);
    if (role === undefined || !(await isMember(tx, role.id, userId, "assume"))) throw mayNotAssume();
    if (durationSeconds > role.maxDurationSeconds) {
      throw new AppError(
        "REQUEST_INVALID",
        `the role can be held for ${role.maxDurationSeconds} seconds at most`,
      );
    }
    const nowMs = deps.clock.nowMs();
    // Before the look: changes of rights wait for one another at this row, so the same request twice at once is found.
    await bumpAccessVersion(tx);
    if (await hasOpen(tx, { roleId: role.id, userId, nowMs })) {
      throw new AppError("ALREADY_EXISTS", "you have asked for this role already, or hold it");
    }
    const state = role.requiresApproval ? "pending" : "active";
    const expiresAtMs = nowMs + (state === "pending" ? pendingMs : durationSeconds * 1_000);
    const common = { role, userId, nowMs, expiresAtMs };
    const elevationId = await insertElevation(tx, { ...common, state, reason, durationSeconds });
    if (state === "active") {
      await insertElevatedGrants(tx, { ...common, id: elevationId, createdBy: holder.username });
    }
    await recordAudit(tx, call, nowMs, {
      action: state === "active" ? "elevation.start" : "elevation.request",
      target: `elevation ${elevationId} of ${holder.username} to ${referenceOf(role)}`,
      namespace: role.namespace,
      detail: { role: referenceOf(role), reason, durationSeconds, expiresAtMs },
      elevationIds: [elevationId],
    });
    return elevationId;
  });
  deps.access.changed();
  return getElevation(deps, id);
}

/**
 * Approves or refuses what somebody has asked for. Only somebody else can: never whoever asked, and nobody whose right to it is an elevation itself.
 * `NOT_FOUND` when there is none that one may decide; `DENIED` for one's own; `IN_USE` when it is not pending any more.
 */
export async function decide(
  deps: IdentityDeps,
  call: Call,
  approver: UserActor,
  decision: { readonly id: number; readonly isApproved: boolean; readonly reason: string | undefined },
): Promise<Elevation> {
  const asked = await getElevation(deps, decision.id);
  if (asked.userId === approver.userId) {
    throw new AppError("DENIED", "somebody else has to decide about what you have asked for");
  }
  if (!(await mayDecide(deps, approver, asked))) throw noSuchElevation(decision.id);
  await deps.database.transaction(async (tx) => {
    const nowMs = deps.clock.nowMs();
    const elevation = await lockElevation(tx, decision.id);
    const role = elevation && (await holdRole(tx, elevation.roleId));
    if (elevation === undefined || role === undefined) throw noSuchElevation(decision.id);
    if (elevation.state !== "pending" || elevation.expiresAtMs <= nowMs) {
      throw new AppError("IN_USE", "this elevation is not waiting for anybody's decision any more");
    }
    // Both as they are now: the role may have changed since.
    const durationSeconds = Math.min(elevation.durationSeconds, role.maxDurationSeconds);
    const expiresAtMs = decision.isApproved ? nowMs + durationSeconds * 1_000 : nowMs;
    const { isAdministrator } = role;
    const state = decision.isApproved ? "active" : "refused";
    const { reason } = decision;
    const common = { isAdministrator, expiresAtMs, nowMs, by: approver.username, reason };
    await decideElevation(tx, elevation.id, { ...common, state });
    if (decision.isApproved) {
      const { id, userId } = elevation;
      await insertElevatedGrants(tx, { id, role, userId, nowMs, expiresAtMs, createdBy: approver.username });
    }
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, nowMs, {
      action: decision.isApproved ? "elevation.approve" : "elevation.refuse",
      target: targetOf(elevation),
      namespace: elevation.namespace,
      detail: { askedFor: elevation.reason, reason: reason ?? null, durationSeconds, expiresAtMs },
      elevationIds: [elevation.id],
    });
  });
  deps.access.changed();
  return getElevation(deps, decision.id);
}

/**
 * Ends an elevation before its time, or takes a request back: its holder can, and whoever could have approved it. What it gave is gone at once here,
 * within about a second elsewhere, tokens already issued included. `NOT_FOUND`; nothing happens to one that is over.
 */
export async function endElevation(
  deps: IdentityDeps,
  call: Call,
  actor: UserActor,
  id: number,
): Promise<Elevation> {
  const found = await getElevation(deps, id);
  if (found.userId !== actor.userId && !(await mayDecide(deps, actor, found))) throw noSuchElevation(id);
  const { userId, username } = actor;
  await deps.database.transaction(async (tx) => {
    const elevation = await lockElevation(tx, id);
    if (elevation === undefined || (elevation.state !== "active" && elevation.state !== "pending")) return;
    const action = userId === elevation.userId ? "elevation.end" : "elevation.revoke";
    await close(tx, elevation, call, { state: "ended", nowMs: deps.clock.nowMs(), by: username, action });
  });
  deps.access.changed();
  return getElevation(deps, id);
}

/**
 * Writes down that elevations are over whose time has come, and takes their grants away; they hold no longer anyway. Tells how many. May be repeated
 * and run by several at once.
 */
export async function expireElevations(deps: IdentityDeps, limit: number): Promise<number> {
  const ids = await listOverdue(deps.database.read, deps.clock.nowMs(), limit);
  for (const id of ids) {
    await deps.database.transaction(async (tx) => {
      const nowMs = deps.clock.nowMs();
      const elevation = await lockElevation(tx, id);
      const isOpen = elevation?.state === "active" || elevation?.state === "pending";
      if (elevation === undefined || !isOpen || elevation.expiresAtMs > nowMs) return;
      await close(tx, elevation, byRegistry, {
        state: "expired",
        nowMs,
        by: "registry",
        action: "elevation.expire",
      });
    });
  }
  if (ids.length > 0) deps.access.changed();
  return ids.length;
}

async function close(
  tx: Tx,
  elevation: Elevation,
  source: AuditSource,
  end: {
    readonly state: "ended" | "expired";
    readonly nowMs: number;
    readonly by: string;
    readonly action: string;
  },
): Promise<void> {
  await closeElevation(tx, elevation.id, end);
  await bumpAccessVersion(tx);
  await recordAudit(tx, source, end.nowMs, {
    action: end.action,
    target: targetOf(elevation),
    namespace: elevation.namespace,
    before: { state: elevation.state, expiresAtMs: elevation.expiresAtMs },
    after: { state: end.state },
    elevationIds: [elevation.id],
  });
}

/** Whoever is named, whoever administers the namespace, and administrators; not by virtue of an elevation. */
export async function mayDecide(
  deps: IdentityDeps,
  actor: UserActor,
  elevation: Elevation,
): Promise<boolean> {
  const isAdmin = actor.isAdmin && actor.isElevatedAdmin !== true;
  if (isAdmin || (await isMember(deps.database.read, elevation.roleId, actor.userId, "approve"))) return true;
  if (elevation.namespace === undefined) return false;
  const own: UserActor = { ...actor, isAdmin };
  return (await deps.access.decideOnNamespace(own, "admin", elevation.namespace)) === "allowed";
}

/** `NOT_FOUND` when there is none. */
export async function getElevation(deps: IdentityDeps, id: number): Promise<Elevation> {
  const elevation = await findElevation(deps.database.read, id);
  if (elevation === undefined) throw noSuchElevation(id);
  return elevation;
}

export function noSuchElevation(id: number): AppError {
  return new AppError("NOT_FOUND", `there is no elevation ${id}`);
}

function mayNotAssume(): AppError {
  return new AppError("DENIED", "you may not assume this role, or it does not exist");
}

function targetOf(elevation: Elevation): string {
  const role = referenceOf({ namespace: elevation.namespace, name: elevation.roleName });
  return `elevation ${elevation.id} of ${elevation.username} to ${role}`;
}

function splitReference(reference: string): [namespace: string | undefined, name: string] {
  const slash = reference.indexOf("/");
  return slash < 0 ? [undefined, reference] : [reference.slice(0, slash), reference.slice(slash + 1)];
}
