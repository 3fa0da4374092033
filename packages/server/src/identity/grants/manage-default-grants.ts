import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { Role } from "../../access/roles.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getHeldNamespace, getNamespace } from "../organizations/find-organizations.ts";
import { getHeldAccount } from "../users/hold-account.ts";
import {
  type DefaultGrant,
  deleteDefaultGrant,
  findDefaultGrant,
  hasDefaultGrantFor,
  insertDefaultGrant,
  listDefaultGrants,
  updateDefaultGrant,
} from "./default-grant-store.ts";
import { type NamedSubject, resolveSubject, subjectName } from "./grant-subject.ts";

export type { DefaultGrant };

/** What new repositories of a namespace start with, in the order in which it was made. `NOT_FOUND` when there is no such namespace. */
export async function listDefaultGrantsOf(
  deps: IdentityDeps,
  namespace: string,
): Promise<readonly DefaultGrant[]> {
  const { id } = await getNamespace(deps, namespace);
  return listDefaultGrants(deps.database.read, id);
}

/**
 * Adds a grant that new repositories start with; those that are there stay as they are. `NOT_FOUND` when there is no such namespace, account or
 * team; `ALREADY_EXISTS` for the same creator and subject.
 */
export async function addDefaultGrant(
  deps: IdentityDeps,
  call: Call,
  grant: {
    readonly namespace: string;
    readonly creator: string | undefined;
    readonly subject: NamedSubject;
    readonly role: Role;
  },
): Promise<DefaultGrant> {
  const nowMs = deps.clock.nowMs();
  return deps.database.transaction(async (tx) => {
    const namespace = await getHeldNamespace(tx, grant.namespace);
    const creatorId = grant.creator === undefined ? undefined : (await getHeldAccount(tx, grant.creator)).id;
    const subject = await resolveSubject(tx, namespace, grant.subject);
    // Nobody may do anything more or less by it, but one at a time must look whether there is one.
    await bumpAccessVersion(tx);
    if (await hasDefaultGrantFor(tx, namespace.id, creatorId, subject)) {
      throw new AppError(
        "ALREADY_EXISTS",
        `there is a default grant for ${subjectName(grant.subject)} already`,
      );
    }
    const { role } = grant;
    const id = await insertDefaultGrant(tx, { namespaceId: namespace.id, creatorId, subject, role, nowMs });
    const made = await mustFind(tx, namespace.id, id);
    await recordAudit(tx, call, nowMs, {
      ...auditOf("create", grant.namespace, made),
      after: describe(made),
    });
    return made;
  });
}

/** Changes the role of a default grant. `NOT_FOUND`. May be repeated. */
export async function changeDefaultGrant(
  deps: IdentityDeps,
  call: Call,
  grant: { readonly namespace: string; readonly id: number; readonly role: Role },
): Promise<DefaultGrant> {
  const nowMs = deps.clock.nowMs();
  return deps.database.transaction(async (tx) => {
    const namespace = await getHeldNamespace(tx, grant.namespace);
    await bumpAccessVersion(tx);
    const before = await mustFind(tx, namespace.id, grant.id);
    await updateDefaultGrant(tx, grant.id, grant.role);
    const after = { ...before, role: grant.role };
    await recordAudit(tx, call, nowMs, {
      ...auditOf("update", grant.namespace, before),
      before: describe(before),
      after: describe(after),
    });
    return after;
  });
}

/** Deletes a default grant; what repositories got by it stays. `NOT_FOUND`. */
export async function removeDefaultGrant(
  deps: IdentityDeps,
  call: Call,
  grant: { readonly namespace: string; readonly id: number },
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const namespace = await getHeldNamespace(tx, grant.namespace);
    await bumpAccessVersion(tx);
    const before = await mustFind(tx, namespace.id, grant.id);
    await deleteDefaultGrant(tx, grant.id);
    await recordAudit(tx, call, nowMs, {
      ...auditOf("delete", grant.namespace, before),
      before: describe(before),
    });
  });
}

async function mustFind(tx: Tx, namespaceId: number, id: number): Promise<DefaultGrant> {
  const found = await findDefaultGrant(tx, namespaceId, id);
  if (found === undefined) throw new AppError("NOT_FOUND", `there is no default grant ${id}`);
  return found;
}

function auditOf(verb: string, namespace: string, grant: DefaultGrant) {
  return { action: `default-grant.${verb}`, target: `default grant ${grant.id} of ${namespace}`, namespace };
}

function describe({ creator, username, team, role }: DefaultGrant) {
  return { creator, username, team, role };
}
