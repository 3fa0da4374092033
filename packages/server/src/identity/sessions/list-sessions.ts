import type { IdentityDeps } from "../identity-deps.ts";
import { listSessions, type Session } from "./session-store.ts";

export type { Session };

/** A user's sessions that have not ended, the newest first. At most as many as one may have, so in one piece. */
export async function listLiveSessions(deps: IdentityDeps, userId: number): Promise<readonly Session[]> {
  const nowMs = deps.clock.nowMs();
  return listSessions(deps.database.read, userId, { nowMs, seenAfterMs: nowMs - deps.sessions.idleMs });
}
