import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Client } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { newSecret } from "../../lib/ids.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { actorOf, isActive } from "../sign-in/living.ts";
import { noticeNewNetwork } from "../sign-in/notice-new-network.ts";
import { passwordEpochOf } from "../users/password-hash.ts";
import { findUserById } from "../users/user-store.ts";
import { csrfTokenOf } from "./csrf-token.ts";
import { cookieNameFor, setSessionCookie } from "./session-cookie.ts";
import {
  deleteOldestSessions,
  deleteSession,
  findSessionByHash,
  insertSession,
  touchUser,
} from "./session-store.ts";

/** Those used last are kept: nobody has more browsers, and a script that signs in for each request must not fill the table. */
const maxPerUser = 50;

/** Somebody has just proved who they are, here or to a provider that we trust. */
export interface NewSession {
  readonly userId: number;
  /** 'password', or the name of the provider that vouched: "oidc:google". */
  readonly method: string;
  /** How they proved it (RFC 8176): "pwd", "otp"; of a provider, what it says. */
  readonly amr: readonly string[];
  /** Whether that was with a second factor: one of ours, or the provider said so. */
  readonly isMfa: boolean;
  /** Of the password that was shown: a session begun with one that was changed meanwhile never comes to life. Absent = of the present one. */
  readonly passwordEpoch?: string | undefined;
  /** What the browser called us; decides the cookie. */
  readonly origin: string;
  /** The secret of the session that the browser had before, if any: it ends. */
  readonly replaces?: string | undefined;
}

export interface StartedSession {
  readonly sessionId: number;
  readonly username: string;
  /** For the reply; the only place where the session's secret is. */
  readonly setCookie: string;
  readonly csrfToken: string;
  readonly expiresAtMs: number;
}

/**
 * Signs a browser in: always a new secret, so that nobody can plant one that they know. `UNAUTHORIZED` when the account is no person's, disabled or
 * gone; `REQUEST_INVALID` when the registry is called by plain http from another machine, where a cookie would be read on the way.
 */
export async function startSession(
  deps: IdentityDeps,
  source: { readonly client: Client | undefined; readonly requestId: string },
  session: NewSession,
): Promise<StartedSession> {
  const name = cookieNameFor(session.origin);
  if (name === undefined) {
    throw new AppError(
      "REQUEST_INVALID",
      "browsers sign in over https only; behind a proxy that speaks it, set publicUrl or trustProxy",
    );
  }
  const secret = newSecret();
  const nowMs = deps.clock.nowMs();
  const expiresAtMs = nowMs + deps.sessions.lifetimeMs;
  const { userId, method, amr } = session;
  const started = await deps.database.transaction(async (tx) => {
    const found = await findUserById(tx, userId);
    if (found === undefined || found.kind !== "person" || !isActive(found, nowMs)) {
      throw new AppError("UNAUTHORIZED", "this account cannot sign in");
    }
    const { passwordHash, ...user } = found;
    const passwordEpoch = session.passwordEpoch ?? passwordEpochOf(passwordHash);
    const before = session.replaces;
    const old = before === undefined ? undefined : await findSessionByHash(tx, deps.secretBox.hashes(before));
    if (old !== undefined) await deleteSession(tx, old.userId, old.id);
    const sessionId = await insertSession(tx, {
      userId,
      secretHash: deps.secretBox.hash(secret),
      passwordEpoch,
      method,
      amr: amr.map((word) => word.replace(/[^\x21-\x7e]/g, "").slice(0, 40)).filter((word) => word !== ""),
      createdAtMs: nowMs,
      mfaAtMs: session.isMfa ? nowMs : undefined,
      expiresAtMs,
      address: source.client?.address ?? "unknown",
      userAgent: source.client?.userAgent,
    });
    const ended = await deleteOldestSessions(tx, userId, maxPerUser);
    const isFirstMfa = await touchUser(tx, userId, { nowMs, isMfa: session.isMfa });
    await noticeNewNetwork(deps, tx, userId, source.client);
    const changesRights = ended > 0 || old !== undefined || isFirstMfa;
    if (changesRights) await bumpAccessVersion(tx);
    const actor = { ...actorOf({ user, accessToken: undefined, passwordEpoch }, "session"), sessionId };
    await recordAudit(tx, { ...source, actor }, nowMs, {
      action: "session.start",
      target: `user ${user.username}`,
      detail: { method, amr: [...amr], isMfa: session.isMfa },
    });
    return { sessionId, username: user.username, changesRights };
  });
  if (started.changesRights) deps.access.changed();
  return {
    sessionId: started.sessionId,
    username: started.username,
    setCookie: setSessionCookie(name, secret, deps.sessions.lifetimeMs),
    csrfToken: csrfTokenOf(secret),
    expiresAtMs,
  };
}
