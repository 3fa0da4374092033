import type { IncomingHttpHeaders } from "node:http";
import type { UserActor } from "../../access/actor.ts";
import { checkSameOrigin } from "../../http/check-same-origin.ts";
import type { CallSite } from "../../http/http-deps.ts";
import { createLru } from "../../lib/create-lru.ts";
import type { MaybePromise } from "../../lib/maybe-promise.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { actorOf, type Living } from "../sign-in/living.ts";
import { checkCsrfToken } from "./csrf-token.ts";
import { sessionSecretIn } from "./session-cookie.ts";
import { findSessionByHash, type Session, touchSession } from "./session-store.ts";

const touchEveryMs = 60_000;
const readingMethods = new Set(["GET", "HEAD"]);

/**
 * Who a request's cookie says it is from. Undefined when there is none, and just so when its session has ended: a browser keeps showing it. What
 * changes something must come from a page of ours and carry its token: `CROSS_SITE`. That a session is in use is noted once a minute, and it
 * is then that one which nobody has used for too long is found to be over.
 */
export function createSessionFinder(
  deps: IdentityDeps,
  findLiving: (userId: number) => MaybePromise<Living | undefined>,
): (headers: IncomingHttpHeaders, site: CallSite) => Promise<UserActor | undefined> {
  const seenAtMs = createLru<number, number>(10_000);

  async function isInUse(session: Session, nowMs: number): Promise<boolean> {
    const isFresh = (seenMs: number) => Math.abs(nowMs - seenMs) < touchEveryMs;
    if (isFresh(session.lastSeenAtMs) || isFresh(seenAtMs.get(session.id) ?? 0)) return true;
    const seenAfterMs = nowMs - deps.sessions.idleMs;
    const isThere = await deps.database.transaction(
      (tx) => touchSession(tx, session.id, { nowMs, seenAfterMs }),
      { durable: false },
    );
    if (isThere) seenAtMs.set(session.id, nowMs);
    return isThere;
  }

  async function find(secret: string): Promise<UserActor | undefined> {
    const { session } = await deps.cache.get(`session ${deps.secretBox.hash(secret)}`, async () => ({
      session: await findSessionByHash(deps.database.read, deps.secretBox.hashes(secret)),
    }));
    const nowMs = deps.clock.nowMs();
    if (session === undefined || session.expiresAtMs <= nowMs) return undefined;
    const living = await findLiving(session.userId);
    if (living === undefined || living.user.kind !== "person") return undefined;
    if (living.passwordEpoch !== session.passwordEpoch) return undefined;
    if (!(await isInUse(session, nowMs))) return undefined;
    const { id: sessionId, authenticatedAtMs, mfaAtMs } = session;
    return { ...actorOf(living, "session"), sessionId, authenticatedAtMs, mfaAtMs };
  }

  return async (headers, site) => {
    const secret = sessionSecretIn(headers, site.origin);
    const actor = secret === undefined ? undefined : await find(secret);
    if (actor === undefined || secret === undefined || readingMethods.has(site.method)) return actor;
    checkSameOrigin(headers, site.origin);
    checkCsrfToken(headers, secret);
    return actor;
  };
}
