import type { UserActor } from "../../access/actor.ts";
import { type Call, type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getUser } from "../users/find-users.ts";
import { csrfTokenOf } from "./csrf-token.ts";
import { endSession, endSessionsOf } from "./end-sessions.ts";
import { listLiveSessions, type Session } from "./list-sessions.ts";
import { clearSessionCookie, cookieNameFor, sessionSecretIn } from "./session-cookie.ts";

const schemas = () => import("./session-schema.ts");

const noStore = { "cache-control": "no-store" };

/** The session that one has, and all that one has or, for administrators, that others have. */
export function sessionEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [...presentSessionEndpoints(deps), ...ownSessionEndpoints(deps), ...othersSessionEndpoints(deps)];
}

function presentSessionEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "session.get",
      isOpenBeforeMfa: true,
      method: "GET",
      path: "/api/v1/session",
      can: { who: "signed-in" },
      summary: "The session of this browser, and the token that changes need.",
      reply: async () => (await schemas()).presentSession,
      handle: async (call, request) => {
        const actor = ownerOf(call);
        const secret = sessionSecretIn(request.headers, request.origin);
        const sessions = await listLiveSessions(deps, actor.userId);
        const session = sessions.find(({ id }) => id === actor.sessionId);
        if (secret === undefined || session === undefined) {
          throw new AppError("NOT_FOUND", "you did not sign in with a browser");
        }
        const { username, isAdmin, isAuditor } = actor;
        const value = { username, isAdmin, isAuditor, csrfToken: csrfTokenOf(secret) };
        return json({ ...value, session: shape(session, actor) });
      },
    }),
    endpoint({
      id: "session.end",
      isOpenBeforeMfa: true,
      method: "DELETE",
      path: "/api/v1/session",
      can: { who: "identified" },
      summary: "Sign this browser out. May be repeated.",
      handle: async (call, request) => {
        const { actor } = call;
        if (actor.kind === "user" && actor.sessionId !== undefined) {
          await endPresent(deps, call, actor, actor.sessionId);
        }
        const name = cookieNameFor(request.origin);
        const headers = name === undefined ? {} : { "set-cookie": clearSessionCookie(name) };
        return { status: 204, headers: { ...noStore, ...headers } };
      },
    }),
  ];
}

function ownSessionEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  const person = { who: "person" } as const;
  return [
    endpoint({
      id: "sessions.list-own",
      isOpenBeforeMfa: true,
      method: "GET",
      path: "/api/v1/me/sessions",
      can: person,
      summary: "One's own sessions: where one is signed in.",
      reply: async () => (await schemas()).sessionList,
      handle: async (call) => {
        const actor = ownerOf(call);
        const sessions = await listLiveSessions(deps, actor.userId);
        return json({ sessions: sessions.map((session) => shape(session, actor)) });
      },
    }),
    endpoint({
      id: "sessions.end-own-others",
      isOpenBeforeMfa: true,
      method: "DELETE",
      path: "/api/v1/me/sessions",
      can: person,
      summary: "End all of one's sessions but this one.",
      reply: async () => (await schemas()).endedSessions,
      handle: async (call) => {
        const { userId: id, username, sessionId } = ownerOf(call);
        return json({ ended: await endSessionsOf(deps, call, { id, username }, sessionId) });
      },
    }),
    endpoint({
      id: "sessions.end-own",
      isOpenBeforeMfa: true,
      method: "DELETE",
      path: "/api/v1/me/sessions/{id}",
      can: person,
      summary: "End one of one's sessions.",
      handle: async (call, request) => {
        const { userId: id, username } = ownerOf(call);
        await endSession(deps, call, { id, username }, sessionIdOf(request));
        return { status: 204 };
      },
    }),
  ];
}

function othersSessionEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  const administrator = { who: "administrator" } as const;
  const userOf = (request: Request) => getUser(deps, request.params["username"] ?? "");
  return [
    endpoint({
      id: "sessions.list",
      method: "GET",
      path: "/api/v1/users/{username}/sessions",
      can: administrator,
      summary: "A user's sessions.",
      reply: async () => (await schemas()).sessionList,
      handle: async (call, request) => {
        const sessions = await listLiveSessions(deps, (await userOf(request)).id);
        return json({ sessions: sessions.map((session) => shape(session, ownerOf(call))) });
      },
    }),
    endpoint({
      id: "sessions.end-all",
      method: "DELETE",
      path: "/api/v1/users/{username}/sessions",
      can: administrator,
      summary: "End all sessions of a user.",
      reply: async () => (await schemas()).endedSessions,
      handle: async (call, request) =>
        json({ ended: await endSessionsOf(deps, call, await userOf(request)) }),
    }),
    endpoint({
      id: "sessions.end",
      method: "DELETE",
      path: "/api/v1/users/{username}/sessions/{id}",
      can: administrator,
      summary: "End one session of a user.",
      handle: async (call, request) => {
        await endSession(deps, call, await userOf(request), sessionIdOf(request));
        return { status: 204 };
      },
    }),
  ];
}

/** Another window may have been quicker. */
async function endPresent(
  deps: IdentityDeps,
  call: Call,
  { userId: id, username }: UserActor,
  sessionId: number,
): Promise<void> {
  try {
    await endSession(deps, call, { id, username }, sessionId);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "NOT_FOUND") throw error;
  }
}

function ownerOf(call: Call): UserActor {
  if (call.actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
  return call.actor;
}

function sessionIdOf(request: Request): number {
  const id = request.params["id"] ?? "";
  if (!/^[0-9]{1,15}$/.test(id)) throw new AppError("NOT_FOUND", "there is no such session");
  return Number(id);
}

function json(value: unknown): Reply {
  return { status: 200, headers: noStore, body: { kind: "json", value } };
}

function shape(session: Session, asker: UserActor) {
  const { id, method, amr, createdAtMs, lastSeenAtMs, authenticatedAtMs, expiresAtMs, address } = session;
  return {
    id,
    method,
    amr,
    createdAtMs,
    lastSeenAtMs,
    authenticatedAtMs,
    mfaAtMs: session.mfaAtMs ?? null,
    expiresAtMs,
    address,
    userAgent: session.userAgent ?? null,
    isCurrent: id === asker.sessionId,
  };
}
