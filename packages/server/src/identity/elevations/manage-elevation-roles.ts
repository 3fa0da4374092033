import { parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { actorName } from "../../access/actor.ts";
import type { Role } from "../../access/roles.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { tryParseEmailAddress } from "../../lib/email-address.ts";
import { newSecret } from "../../lib/ids.ts";
import type { Tx } from "../../storage/database/database.ts";
import { resolveSubject } from "../grants/grant-subject.ts";
import { parsePatternIn } from "../grants/parse-pattern-in.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findNamespace, holdNamespace } from "../organizations/namespace-store.ts";
import {
  deleteRole,
  type ElevationRole,
  findRole,
  insertRole,
  listAssumable,
  listMembers,
  listRoles,
  lockRole,
  type MemberPower,
  type NamedMember,
  type RoleMember,
  type RoleValues,
  replaceMembers,
  updateRole,
} from "./elevation-role-store.ts";

export type { ElevationRole, MemberPower, NamedMember };

/** What a role is made of, as people write it. */
export interface RoleDraft {
  readonly description?: string;
  /** Its holder administers the registry; only outside of namespaces. */
  readonly isAdministrator?: boolean;
  readonly grants?: readonly { readonly pattern: string; readonly role: Role }[];
  readonly assumableBy: readonly MemberDraft[];
  /** Beside those who administer the place. */
  readonly approvers?: readonly MemberDraft[];
  readonly maxDurationSeconds: number;
  readonly requiresApproval?: boolean;
  readonly alert?: { readonly mail?: readonly string[]; readonly webhookUrl?: string };
}

/** A person by name; a team as "acme/release", in a namespace's own roles also as "release". */
export type MemberDraft = { readonly username: string } | { readonly team: string };

export interface DescribedRole {
  readonly role: ElevationRole;
  readonly members: readonly NamedMember[];
}

export interface SavedRole extends DescribedRole {
  /** That signs alerts, when it was made now: told once. */
  readonly alertSecret: string | undefined;
}

/**
 * Makes a role, or one of that name anew; who holds it keeps what they have until it ends. `NOT_FOUND` for a namespace or member that is not there,
 * `REQUEST_INVALID` and `NAME_INVALID` for a role that gives nothing, reaches out of its namespace, or alerts nobody's address; `DENIED` for an
 * administrator who is it by an elevation: what is held for a time must not be made to last.
 */
export async function saveRole(
  deps: IdentityDeps,
  call: Call,
  place: { readonly namespace: string | undefined; readonly name: string },
  draft: RoleDraft,
): Promise<SavedRole> {
  refuseElevated(call);
  if (!/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(place.name) || place.name.length > 64) {
    throw new AppError(
      "REQUEST_INVALID",
      "a role's name has 1 to 64 lower-case letters and digits, in between . _ -",
    );
  }
  const secret = newSecret();
  const nowMs = deps.clock.nowMs();
  const values = checkedValues(deps, place.namespace, draft);
  const isNewSecret = await deps.database.transaction(async (tx) => {
    const namespace = await heldNamespace(tx, place.namespace);
    const before = await lockRole(tx, namespace?.id, place.name);
    const keepsSecret = before?.alertUrl === values.alertUrl && before?.alertSecret !== undefined;
    const sealed = keepsSecret ? before.alertSecret : deps.secretBox.seal(secret, sealContext);
    const role: RoleValues = { ...values, alertSecret: values.alertUrl === undefined ? undefined : sealed };
    const id =
      before?.id ??
      (await insertRole(tx, {
        ...role,
        namespaceId: namespace?.id,
        name: place.name,
        nowMs,
        createdBy: actorName(call.actor),
      }));
    if (before !== undefined) await updateRole(tx, id, role);
    const membersBefore = before === undefined ? [] : await listMembers(tx, id);
    await replaceMembers(tx, id, await resolveMembers(tx, namespace, draft));
    await recordAudit(tx, call, nowMs, {
      action: before === undefined ? "elevation-role.create" : "elevation-role.update",
      target: `elevation role ${referenceOf(place)}`,
      namespace: place.namespace,
      ...(before === undefined ? {} : { before: roleJson(before, membersBefore) }),
      after: roleJson(role, await listMembers(tx, id)),
    });
    return values.alertUrl !== undefined && !keepsSecret;
  });
  const saved = await describeRole(deps, place);
  return { ...saved, alertSecret: isNewSecret ? secret : undefined };
}

/** Deletes a role; whoever holds it loses what it gave, at once. `NOT_FOUND`; `DENIED` as for saving. */
export async function removeRole(
  deps: IdentityDeps,
  call: Call,
  place: { readonly namespace: string | undefined; readonly name: string },
): Promise<void> {
  refuseElevated(call);
  await deps.database.transaction(async (tx) => {
    const namespace = await heldNamespace(tx, place.namespace);
    const before = await lockRole(tx, namespace?.id, place.name);
    if (before === undefined) throw noSuchRole(place);
    const members = await listMembers(tx, before.id);
    await deleteRole(tx, before.id);
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, deps.clock.nowMs(), {
      action: "elevation-role.delete",
      target: `elevation role ${referenceOf(place)}`,
      namespace: place.namespace,
      before: roleJson(before, members),
    });
  });
  deps.access.changed();
}

/** `NOT_FOUND` when there is none. */
export async function describeRole(
  deps: IdentityDeps,
  place: { readonly namespace: string | undefined; readonly name: string },
): Promise<DescribedRole> {
  const role = await findRole(deps.database.read, place.namespace, place.name);
  if (role === undefined) throw noSuchRole(place);
  return { role, members: await listMembers(deps.database.read, role.id) };
}

/** The roles of a namespace, or of the registry, by name. `NOT_FOUND` when there is no such namespace. */
export async function describeRoles(
  deps: IdentityDeps,
  namespace: string | undefined,
): Promise<readonly DescribedRole[]> {
  const db = deps.database.read;
  if (namespace !== undefined && (await findNamespace(db, namespace)) === undefined)
    throw noSuchNamespace(namespace);
  return withMembers(deps, await listRoles(db, namespace));
}

/** The roles that somebody may assume. */
export async function describeAssumable(
  deps: IdentityDeps,
  userId: number,
): Promise<readonly ElevationRole[]> {
  return listAssumable(deps.database.read, userId);
}

async function withMembers(
  deps: IdentityDeps,
  roles: readonly ElevationRole[],
): Promise<readonly DescribedRole[]> {
  const described: DescribedRole[] = [];
  for (const role of roles) described.push({ role, members: await listMembers(deps.database.read, role.id) });
  return described;
}

export const sealContext = "elevation alert";

function checkedValues(
  deps: IdentityDeps,
  namespace: string | undefined,
  draft: RoleDraft,
): Omit<RoleValues, "alertSecret"> {
  const { isAdministrator = false, grants = [], alert = {} } = draft;
  if (isAdministrator && namespace !== undefined) {
    throw new AppError("REQUEST_INVALID", "only a role of the whole registry can make administrators");
  }
  if (!isAdministrator && grants.length === 0) {
    throw new AppError(
      "REQUEST_INVALID",
      "the role gives nothing: name grants, or make it an administrator's",
    );
  }
  const mail = (alert.mail ?? []).map((text) => {
    const address = tryParseEmailAddress(text);
    if (address === undefined)
      throw new AppError("REQUEST_INVALID", "an alert's address is no e-mail address");
    return address;
  });
  if (alert.webhookUrl !== undefined && !isHttps(alert.webhookUrl)) {
    throw new AppError("REQUEST_INVALID", "an alert's webhook must be an https address");
  }
  return {
    description: draft.description ?? "",
    isAdministrator,
    grants: grants.map(({ pattern, role }) => ({
      pattern:
        namespace === undefined
          ? parseRepositoryPattern(pattern)
          : parsePatternIn(namespace, pattern, deps.defaultNamespace),
      role,
    })),
    maxDurationSeconds: draft.maxDurationSeconds,
    requiresApproval: draft.requiresApproval ?? false,
    alertMail: mail,
    alertUrl: alert.webhookUrl,
  };
}

function isHttps(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return protocol === "https:" && username === "" && password === "";
}

async function resolveMembers(
  tx: Tx,
  namespace: { readonly id: number; readonly name: string } | undefined,
  draft: RoleDraft,
): Promise<readonly (RoleMember & { readonly may: MemberPower })[]> {
  const drafts = [
    ...draft.assumableBy.map((member) => ({ may: "assume" as const, member })),
    ...(draft.approvers ?? []).map((member) => ({ may: "approve" as const, member })),
  ];
  const resolved: (RoleMember & { readonly may: MemberPower })[] = [];
  for (const { may, member } of drafts) {
    const found = await resolveSubject(tx, ...(await placeOf(tx, namespace, member)));
    resolved.push({ may, ...found });
  }
  return resolved;
}

/** The namespace that a team is of, and the team's own name. */
async function placeOf(
  tx: Tx,
  namespace: { readonly id: number; readonly name: string } | undefined,
  member: MemberDraft,
): Promise<[{ readonly id: number; readonly name: string }, MemberDraft]> {
  if ("username" in member) return [namespace ?? { id: 0, name: "" }, member];
  const [first = "", second] = member.team.split("/");
  if (second === undefined && namespace !== undefined) return [namespace, member];
  const owner = /^[a-z0-9._-]+$/.test(first) ? await findNamespace(tx, first) : undefined;
  if (owner === undefined || second === undefined) {
    throw new AppError("NOT_FOUND", "there is no such team; name it as organization/team");
  }
  return [owner, { team: second }];
}

async function heldNamespace(tx: Tx, name: string | undefined) {
  if (name === undefined) return undefined;
  const namespace = await holdNamespace(tx, name);
  if (namespace === undefined) throw noSuchNamespace(name);
  return namespace;
}

function refuseElevated({ actor }: Call): void {
  if (actor.kind !== "user" || actor.isElevatedAdmin !== true) return;
  throw new AppError("DENIED", "an administrator for a time cannot change what can be held for a time");
}

function roleJson(role: RoleValues, members: readonly NamedMember[]) {
  const { description, isAdministrator, grants, maxDurationSeconds, requiresApproval, alertMail } = role;
  const named = (may: MemberPower) =>
    members.filter((member) => member.may === may).map(({ username, team }) => username ?? `team ${team}`);
  return {
    description,
    isAdministrator,
    grants: grants.map((grant) => ({ ...grant })),
    maxDurationSeconds,
    requiresApproval,
    alertMail,
    // A webhook's address may have a secret in it.
    alertHost: role.alertUrl === undefined ? null : new URL(role.alertUrl).host,
    assumableBy: named("assume"),
    approvers: named("approve"),
  };
}

/** "acme/release", or "administrator" for a role of the registry. */
export function referenceOf(place: {
  readonly namespace: string | undefined;
  readonly name: string;
}): string {
  return place.namespace === undefined ? place.name : `${place.namespace}/${place.name}`;
}

function noSuchRole(place: { readonly namespace: string | undefined; readonly name: string }): AppError {
  return new AppError("NOT_FOUND", `there is no elevation role ${referenceOf(place)}`);
}

function noSuchNamespace(name: string): AppError {
  return new AppError("NOT_FOUND", `there is no organization ${name}`);
}
