import type { RepositoryName } from "@entrepot/oci/repository-name";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { actorName } from "../../access/actor.ts";
import { namespaceOf } from "../../access/create-access.ts";
import {
  deleteGrant,
  findGrant,
  findRepositoryId,
  type Grant,
  type GrantPlace,
  holdRepository,
  listGrantsOn,
  upsertGrant,
} from "../../access/grant-store.ts";
import type { Role } from "../../access/roles.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getHeldNamespace } from "../organizations/find-organizations.ts";
import { type NamedSubject, resolveSubject, subjectName } from "./grant-subject.ts";
import { parsePatternIn } from "./parse-pattern-in.ts";

export type { Grant };

/** What a grant is on, by name: one repository, or the paths of a pattern in a namespace. */
export type NamedPlace =
  | { readonly repository: RepositoryName }
  | { readonly namespace: string; readonly pattern: string };

/** Who was granted what on a repository itself. `NAME_UNKNOWN` when there is no such repository. */
export async function listRepositoryGrants(
  deps: IdentityDeps,
  repository: RepositoryName,
): Promise<readonly Grant[]> {
  const id = await findRepositoryId(deps.database.read, repository);
  if (id === undefined) throw noSuchRepository(repository);
  return listGrantsOn(deps.database.read, id);
}

/**
 * Grants a role, replacing the one the subject had there; tells whether it had none. In force at once here, within about a second elsewhere.
 * `NAME_UNKNOWN` and `NOT_FOUND` when there is no such repository, namespace, account or team; `REQUEST_INVALID` for a time that has passed and
 * for a pattern that reaches out of its namespace; `NAME_INVALID` for a pattern that is none. May be repeated.
 */
export async function setGrant(
  deps: IdentityDeps,
  call: Call,
  grant: {
    readonly place: NamedPlace;
    readonly subject: NamedSubject;
    readonly role: Role;
    readonly expiresAtMs: number | undefined;
  },
): Promise<{ readonly isNew: boolean }> {
  const nowMs = deps.clock.nowMs();
  const { role, expiresAtMs } = grant;
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) {
    throw new AppError("REQUEST_INVALID", "the grant would have expired already");
  }
  const before = await deps.database.transaction(async (tx) => {
    const { namespace, place } = await resolvePlace(deps, tx, grant.place);
    const subject = await resolveSubject(tx, namespace, grant.subject);
    // Before the grant itself, so that two of the same do not get in each other's way.
    await bumpAccessVersion(tx);
    const had = await findGrant(tx, subject, place);
    const createdBy = actorName(call.actor);
    await upsertGrant(tx, { subject, place, namespaceId: namespace.id, role, expiresAtMs, nowMs, createdBy });
    await recordAudit(tx, call, nowMs, {
      ...auditOf("grant.set", namespace.name, grant),
      ...(had === undefined ? {} : { before: { ...had } }),
      after: { role, expiresAtMs },
    });
    return had;
  });
  deps.access.changed();
  return { isNew: before === undefined };
}

/** Takes a grant back, tokens already issued included. `NOT_FOUND` when there is none; else as `setGrant`. */
export async function removeGrant(
  deps: IdentityDeps,
  call: Call,
  grant: { readonly place: NamedPlace; readonly subject: NamedSubject },
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const { namespace, place } = await resolvePlace(deps, tx, grant.place);
    const subject = await resolveSubject(tx, namespace, grant.subject);
    await bumpAccessVersion(tx);
    const had = await findGrant(tx, subject, place);
    if (had === undefined || !(await deleteGrant(tx, subject, place))) {
      throw new AppError(
        "NOT_FOUND",
        `${subjectName(grant.subject)} has no grant on ${placeName(grant.place)}`,
      );
    }
    await recordAudit(tx, call, nowMs, {
      ...auditOf("grant.remove", namespace.name, grant),
      before: { ...had },
    });
  });
  deps.access.changed();
}

/** What is named stays until the transaction ends. */
async function resolvePlace(
  deps: IdentityDeps,
  tx: Tx,
  named: NamedPlace,
): Promise<{
  readonly namespace: { readonly id: number; readonly name: string };
  readonly place: GrantPlace;
}> {
  if ("pattern" in named) {
    const namespace = await getHeldNamespace(tx, named.namespace);
    const pattern = parsePatternIn(named.namespace, named.pattern, deps.defaultNamespace);
    return { namespace, place: { pattern } };
  }
  const found = await holdRepository(tx, named.repository);
  if (found === undefined) throw noSuchRepository(named.repository);
  const name = namespaceOf(named.repository, deps.defaultNamespace);
  return { namespace: { id: found.namespaceId, name }, place: { repositoryId: found.id } };
}

function auditOf(
  action: string,
  namespace: string,
  grant: { readonly place: NamedPlace; readonly subject: NamedSubject },
) {
  const { place } = grant;
  return {
    action,
    target: `grant of ${subjectName(grant.subject)} on ${placeName(place)}`,
    namespace,
    ...("repository" in place ? { repository: place.repository } : {}),
  };
}

function placeName(place: NamedPlace): string {
  return "pattern" in place ? place.pattern : place.repository;
}

function noSuchRepository(repository: RepositoryName): AppError {
  return new AppError("NAME_UNKNOWN", `there is no repository ${repository}`);
}
