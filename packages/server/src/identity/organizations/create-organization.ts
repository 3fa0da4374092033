import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { Visibility } from "../../access/actions.ts";
import { isNameKept } from "../../access/namespace-alias-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { insertMember, insertTeam } from "../teams/team-store.ts";
import { findUserById } from "../users/user-store.ts";
import { isReservedName } from "../users/username.ts";
import { describeNamespace } from "./describe-namespace.ts";
import { insertOrganization, type Namespace } from "./namespace-store.ts";
import { isOrganizationName } from "./organization-name.ts";

export interface NewOrganization {
  readonly name: string;
  readonly displayName?: string;
  readonly description?: string;
  readonly email?: string;
  readonly defaultVisibility?: Visibility;
  readonly createOnPush?: boolean;
}

/** The team that an organization begins with. Nothing is special about it afterwards. */
const firstTeam = "owners";

/**
 * Creates an organization with its first team, of which the creator is a member and which administers it: all or nothing. `DENIED` where only
 * administrators of the registry may; `REQUEST_INVALID` for a name that is none or reserved, and for the creator's own e-mail address;
 * `ALREADY_EXISTS` when a user or an organization has the name, or had it.
 */
export async function createOrganization(
  deps: IdentityDeps,
  call: Call,
  organization: NewOrganization,
): Promise<Namespace> {
  const { actor } = call;
  if (actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
  if (deps.organizations.createdBy === "administrators" && !actor.isAdmin) {
    throw new AppError("DENIED", "only administrators create organizations here; ask one");
  }
  const { name } = organization;
  // Administrators may take over the namespace that names of one component lie in.
  const isDefault = actor.isAdmin && name === deps.defaultNamespace;
  checkName(name, isDefault ? "" : deps.defaultNamespace);
  const nowMs = deps.clock.nowMs();
  const created = await deps.database.transaction(async (tx) => {
    const email = organization.email?.toLowerCase();
    const creator = await findUserById(tx, actor.userId);
    if (email !== undefined && creator?.email === email) throw ownEmail();
    const row = await insertOrganization(tx, {
      name,
      displayName: organization.displayName,
      description: organization.description ?? "",
      email,
      defaultVisibility: organization.defaultVisibility ?? "private",
      createOnPush: organization.createOnPush ?? true,
      createdAtMs: nowMs,
    });
    if (row === undefined || (await isNameKept(tx, name))) {
      throw new AppError("ALREADY_EXISTS", `the name ${name} is taken`);
    }
    await bumpAccessVersion(tx);
    const team = await insertTeam(tx, {
      namespaceId: row.id,
      name: firstTeam,
      role: "admin",
      description: "",
      nowMs,
    });
    if (team !== undefined) {
      await insertMember(tx, { teamId: team.id, userId: actor.userId, origin: "manual", nowMs });
    }
    await recordAudit(tx, call, nowMs, {
      action: "organization.create",
      target: `organization ${name}`,
      namespace: name,
      after: describeNamespace(row),
    });
    return row;
  });
  deps.access.changed();
  return created;
}

export function ownEmail(): AppError {
  return new AppError(
    "REQUEST_INVALID",
    "an organization has an e-mail address of its own, not that of one who administers it",
  );
}

function checkName(name: string, defaultNamespace: string): void {
  if (!isOrganizationName(name)) {
    throw new AppError(
      "REQUEST_INVALID",
      "the name of an organization has 2 to 255 lower-case letters and digits, in between single dots, one or two underscores, or hyphens",
    );
  }
  if (isReservedName(name, defaultNamespace)) {
    throw new AppError("REQUEST_INVALID", `the name ${name} is reserved`);
  }
}
