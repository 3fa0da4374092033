import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { hasIssuedMoreThan } from "../issuers/issued-store.ts";
import { listAdministratorEmails } from "../teams/team-store.ts";
import { findUserById } from "../users/user-store.ts";
import { ownEmail } from "./create-organization.ts";
import { describeNamespace } from "./describe-namespace.ts";
import { getNamespace, noSuchNamespace } from "./find-organizations.ts";
import {
  deleteNamespaceRow,
  hasRepositories,
  lockNamespace,
  type Namespace,
  type NamespaceChange,
  updateNamespace,
} from "./namespace-store.ts";

/**
 * Changes what is given of a namespace, and nothing else; null takes away. `NOT_FOUND`; `REQUEST_INVALID` for an e-mail address that one of its
 * administrators has. May be repeated.
 */
export async function changeOrganization(
  deps: IdentityDeps,
  call: Call,
  name: string,
  change: NamespaceChange,
): Promise<Namespace> {
  await getNamespace(deps, name);
  const nowMs = deps.clock.nowMs();
  const email = change.email?.toLowerCase() ?? change.email;
  const after = await deps.database.transaction(async (tx) => {
    const before = await lockNamespace(tx, name);
    if (before === undefined) throw noSuchNamespace(name);
    await bumpAccessVersion(tx);
    if (typeof email === "string" && before.kind === "organization") {
      const { actor } = call;
      const own = actor.kind === "user" ? (await findUserById(tx, actor.userId))?.email : undefined;
      if (own === email || (await listAdministratorEmails(tx, before.id)).includes(email)) throw ownEmail();
    }
    await updateNamespace(tx, before.id, { ...change, ...(email === undefined ? {} : { email }) });
    const changed = (await lockNamespace(tx, name)) ?? before;
    await recordAudit(tx, call, nowMs, {
      action: "organization.update",
      target: `${before.kind} ${name}`,
      namespace: name,
      before: describeNamespace(before),
      after: describeNamespace(changed),
    });
    return changed;
  });
  deps.access.changed();
  return after;
}

const maxIssuedAtOnce = 1_000;

/**
 * Deletes an organization with its teams, robots and grants; somebody else may take the name. `NOT_FOUND`, also for a user's namespace; `IN_USE`
 * while there are repositories in it, and while its issuers have so many accounts that all would wait for one transaction.
 */
export async function deleteOrganization(deps: IdentityDeps, call: Call, name: string): Promise<void> {
  await getNamespace(deps, name);
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const before = await lockNamespace(tx, name);
    if (before === undefined) throw noSuchNamespace(name);
    if (before.kind === "user") {
      throw new AppError(
        "NOT_FOUND",
        `${name} is no organization; the namespace of a user goes with the user`,
      );
    }
    await bumpAccessVersion(tx);
    if (await hasRepositories(tx, before.id)) {
      throw new AppError("IN_USE", `${name} has repositories; delete them first`);
    }
    if (await hasIssuedMoreThan(tx, before.id, maxIssuedAtOnce)) {
      throw new AppError("IN_USE", `issuers of ${name} have very many accounts; delete those issuers first`);
    }
    await deleteNamespaceRow(tx, before.id);
    await recordAudit(tx, call, nowMs, {
      action: "organization.delete",
      target: `organization ${name}`,
      namespace: name,
      before: describeNamespace(before),
    });
  });
  deps.access.changed();
}
