import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { setMfaRequired } from "./mfa-policy-store.ts";

/**
 * Says whether those who act in a namespace through the management API must have shown a second factor. In force at once here, within about a second
 * elsewhere. `NOT_FOUND`. May be repeated.
 */
export async function requireMfa(
  deps: IdentityDeps,
  source: AuditSource,
  namespace: string,
  isRequired: boolean,
): Promise<void> {
  await deps.database.transaction(async (tx) => {
    const before = await setMfaRequired(tx, namespace, isRequired);
    if (before === undefined) throw new AppError("NOT_FOUND", "there is no such namespace");
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "namespace.require-mfa",
      target: `namespace ${namespace}`,
      namespace,
      before: { isRequired: before.wasRequired },
      after: { isRequired },
    });
  });
  deps.access.changed();
}
