import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { deleteSession, deleteSessionsOf } from "./session-store.ts";

interface Owner {
  readonly id: number;
  readonly username: string;
}

/** Ends one session, here at once and within about a second elsewhere. `NOT_FOUND` when it is not the owner's, or has ended. */
export async function endSession(
  deps: IdentityDeps,
  source: AuditSource,
  owner: Owner,
  sessionId: number,
): Promise<void> {
  await deps.database.transaction(async (tx) => {
    if (!(await deleteSession(tx, owner.id, sessionId))) {
      throw new AppError("NOT_FOUND", `there is no session ${sessionId}`);
    }
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "session.end",
      target: `user ${owner.username}`,
      detail: { sessionId },
    });
  });
  deps.access.changed();
}

/** Ends all sessions of a user but, where it is given, one; tells how many. May be repeated. */
export async function endSessionsOf(
  deps: IdentityDeps,
  source: AuditSource,
  owner: Owner,
  exceptId?: number,
): Promise<number> {
  const ended = await deps.database.transaction(async (tx) => {
    const count = await deleteSessionsOf(tx, owner.id, exceptId);
    if (count === 0) return 0;
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "session.end-all",
      target: `user ${owner.username}`,
      detail: { ended: count },
    });
    return count;
  });
  deps.access.changed();
  return ended;
}
