import { bumpAccessVersion } from "../../access/access-version-store.ts";
import {
  deleteKeptName,
  holdNamespace,
  insertReservedName,
  type KeptName,
  listKeptNames,
} from "../../access/namespace-alias-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { isNamespaceName } from "../organizations/organization-name.ts";

/** One page of the names that no new namespace can have, by name, and whether more follow. */
export async function listReservedNames(
  deps: IdentityDeps,
  page: Page,
): Promise<{ readonly names: readonly KeptName[]; readonly hasMore: boolean }> {
  if (page.limit === 0) return { names: [], hasMore: false };
  const names = await listKeptNames(deps.database.read, { last: page.last, limit: page.limit + 1 });
  return { names: names.slice(0, page.limit), hasMore: names.length > page.limit };
}

/**
 * Keeps a name from being given to a user, an organization or a push. `REQUEST_INVALID` for what no namespace could be called; `ALREADY_EXISTS` when
 * a namespace has the name, or had it before it was renamed. May be repeated.
 */
export async function reserveName(deps: IdentityDeps, call: Call, name: string): Promise<void> {
  if (!isNamespaceName(name)) throw new AppError("REQUEST_INVALID", "no namespace can have that name");
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const isNew = await insertReservedName(tx, name, nowMs);
    // After the insert: whoever takes the name at this moment looks for it after theirs.
    if ((await holdNamespace(tx, name)) !== undefined) {
      throw new AppError(
        "ALREADY_EXISTS",
        `there is a namespace ${name}; only a name that is free can be reserved`,
      );
    }
    if (!isNew) return;
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, nowMs, { action: "reserved-name.add", target: `name ${name}` });
  });
}

/**
 * Gives a reserved name back, or one that a namespace had before: it then leads nowhere, and anybody can take it. `NOT_FOUND` when it was not
 * kept. In force at once here, within about a second elsewhere.
 */
export async function freeName(deps: IdentityDeps, call: Call, name: string): Promise<void> {
  if (!isNamespaceName(name)) throw notReserved();
  await deps.database.transaction(async (tx) => {
    if (!(await deleteKeptName(tx, name))) throw notReserved();
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, deps.clock.nowMs(), {
      action: "reserved-name.remove",
      target: `name ${name}`,
    });
  });
  deps.access.changed();
}

function notReserved(): AppError {
  return new AppError("NOT_FOUND", "that name is not reserved");
}
