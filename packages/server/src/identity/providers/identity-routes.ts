import type { UserActor } from "../../access/actor.ts";
import { type Call, type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { parsePage } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { SignInThrottle } from "../sign-in/sign-in-throttle.ts";
import {
  type IdentityWithProvider,
  linkByPassword,
  listOwnIdentities,
  listProviderIdentities,
  unlinkIdentity,
  unlinkOwnIdentity,
} from "./manage-identities.ts";
import type { Providers } from "./open-providers.ts";
import type { LinkBody, StepUpElsewhereBody } from "./provider-schema.ts";
import { beginSignIn } from "./redirect-sign-in.ts";
import { cannotAskAnew, findProviderOfSession } from "./step-up-elsewhere.ts";

const schemas = () => import("./provider-schema.ts");
const own = "/api/v1/me/identities";
const ofProvider = "/api/v1/sign-in-providers/{provider}/identities";
const pageLimits = { defaultLimit: 100, maxLimit: 1_000 };

/** One's own accounts elsewhere; and for administrators, whom each provider knows. */
export function identityEndpoints(
  deps: IdentityDeps,
  tools: { readonly providers: Providers; readonly throttle: SignInThrottle },
): readonly Endpoint[] {
  const { providers } = tools;

  async function link(call: Call, request: Request): Promise<Reply> {
    const { provider, username, password, returnTo = null } = request.body as LinkBody; // as: checked against `body` before
    const owner = person(call);
    if (username !== undefined && password !== undefined) {
      const identity = await linkByPassword(deps, tools, call, { owner, provider, username, password });
      return { status: 201, body: { kind: "json", value: { identity: shape(identity), address: null } } };
    }
    const asked = { provider, returnTo, linksUserId: owner.userId };
    const { address, setCookie } = await beginSignIn(deps, providers, call, request, asked);
    return {
      status: 200,
      headers: { "set-cookie": setCookie, "cache-control": "no-store" },
      body: { kind: "json", value: { identity: null, address } },
    };
  }

  return [
    endpoint({
      id: "me.identities.list",
      method: "GET",
      path: own,
      can: { who: "person" },
      summary: "One's own accounts at sign-in providers.",
      reply: async () => (await schemas()).ownIdentityList,
      handle: async (call) => {
        const identities = (await listOwnIdentities(deps, providers, person(call))).map(shape);
        return { status: 200, body: { kind: "json", value: { identities } } };
      },
    }),
    endpoint({
      id: "me.identities.link",
      method: "POST",
      path: own,
      can: { who: "person" },
      needsRecentSignIn: true,
      summary:
        "Link an account at a provider: by name and password, or by going to the address in the reply.",
      body: async () => (await schemas()).linkBody,
      reply: async () => (await schemas()).linkReply,
      handle: link,
    }),
    endpoint({
      id: "me.identities.unlink",
      method: "DELETE",
      path: `${own}/{id}`,
      can: { who: "person" },
      needsRecentSignIn: true,
      summary: "Take a link away, unless it is the last way in or the one that the account was made by.",
      handle: async (call, request) => {
        await unlinkOwnIdentity(deps, providers, call, person(call), idIn(request));
        return { status: 204 };
      },
    }),
    endpoint({
      id: "session.step-up-at-provider",
      method: "POST",
      path: "/api/v1/session/step-up/provider",
      can: { who: "person" },
      isOpenBeforeMfa: true,
      summary:
        "Prove again that this session is one's own at the provider that it was begun with: by going to the address in the reply.",
      body: async () => (await schemas()).stepUpElsewhereBody,
      reply: async () => (await schemas()).stepUpElsewhereReply,
      handle: async (call, request) => {
        const { returnTo = null } = request.body as StepUpElsewhereBody; // as: checked against `body` before
        const owner = person(call);
        const { userId, sessionId } = owner;
        const provider = await findProviderOfSession(deps, owner);
        if (provider === undefined || sessionId === undefined) throw cannotAskAnew();
        const stepUp = { userId, sessionId, sinceMs: deps.clock.nowMs() };
        const asked = { provider, returnTo, stepUp };
        const { address, setCookie } = await beginSignIn(deps, providers, call, request, asked);
        return {
          status: 200,
          headers: { "set-cookie": setCookie, "cache-control": "no-store" },
          body: { kind: "json", value: { address } },
        };
      },
    }),
    endpoint({
      id: "sign-in-providers.identities.list",
      method: "GET",
      path: ofProvider,
      can: { who: "auditor" },
      summary: "Whom a provider knows (`state=known`) or knows no more (`state=lost`); `n`, `last`.",
      reply: async () => (await schemas()).providerIdentityList,
      handle: async (_call, request) => {
        const { limit, last } = parsePage(request.query, pageLimits);
        const state = request.query.get("state");
        const isLost = state === null ? undefined : state === "lost";
        const name = request.params["provider"] ?? "";
        const lastId = last !== undefined && /^\d{1,15}$/.test(last) ? Number(last) : 0;
        const { identities, hasMore } = await listProviderIdentities(deps, name, { lastId, limit, isLost });
        const value = identities.map((one) => ({
          ...shape({ ...one, provider: name }),
          user: one.user,
          isUserDisabled: one.isUserDisabled,
          isGoverning: one.isGoverning,
          lostAtMs: one.lostAtMs ?? null,
        }));
        const query = `n=${limit}&last=${identities.at(-1)?.id ?? 0}${state === null ? "" : `&state=${isLost === true ? "lost" : "known"}`}`;
        const next = hasMore
          ? `/api/v1/sign-in-providers/${encodeURIComponent(name)}/identities?${query}`
          : null;
        return { status: 200, body: { kind: "json", value: { identities: value, next } } };
      },
    }),
    endpoint({
      id: "sign-in-providers.identities.unlink",
      method: "DELETE",
      path: `${ofProvider}/{id}`,
      can: { who: "administrator" },
      needsRecentSignIn: true,
      summary: "Take somebody's link to a provider away.",
      handle: async (call, request) => {
        await unlinkIdentity(deps, call, request.params["provider"] ?? "", idIn(request));
        return { status: 204 };
      },
    }),
  ];
}

function person({ actor }: Call): UserActor {
  if (actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
  return actor;
}

function idIn(request: Request): number {
  const text = request.params["id"] ?? "";
  if (!/^\d{1,15}$/.test(text)) throw new AppError("NOT_FOUND", "there is no such identity");
  return Number(text);
}

function shape(identity: IdentityWithProvider) {
  return {
    id: identity.id,
    provider: identity.provider,
    username: identity.username,
    email: identity.email ?? null,
    createdAtMs: identity.createdAtMs,
    lastSignInAtMs: identity.lastSignInAtMs ?? null,
  };
}
