import { type Call, type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getUser } from "../users/find-users.ts";
import { beginSecurityKey, confirmSecurityKey } from "./add-security-key.ts";
import { beginTotp, confirmTotp } from "./add-totp.ts";
import type { FactorOwner } from "./added-factor.ts";
import { listFactors } from "./list-factors.ts";
import type { MfaRequirement, SecurityKeyConfirmation, TotpConfirmation } from "./mfa-schema.ts";
import { removeSecurityKey, removeTotp, renewRecoveryCodes, resetFactors } from "./remove-factors.ts";
import { requireMfa } from "./require-mfa.ts";

const schemas = () => import("./mfa-schema.ts");

/** One's own second factors; an administrator's reset of somebody else's; and whether a namespace asks for them. */
export function mfaEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [...totpEndpoints(deps), ...securityKeyEndpoints(deps), ...otherEndpoints(deps)];
}

/** What changes one's factors: open to those who must set one up, by whoever has just shown who they are. */
const own = { can: { who: "person" }, isOpenBeforeMfa: true } as const;
const ownChange = { ...own, needsRecentSignIn: true } as const;

function totpEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      ...ownChange,
      id: "mfa.totp-begin",
      method: "POST",
      path: "/api/v1/me/mfa/totp",
      summary: "A seed for an authenticator app; nothing changes until it is confirmed.",
      reply: async () => (await schemas()).newTotp,
      handle: async (call, request) =>
        json(await beginTotp(deps, ownerOf(call), new URL(request.origin).host)),
    }),
    endpoint({
      ...own,
      id: "mfa.totp-confirm",
      method: "POST",
      path: "/api/v1/me/mfa/totp/confirm",
      summary: "Add the authenticator app, with a code that it shows.",
      body: async () => (await schemas()).totpConfirmation,
      reply: async () => (await schemas()).recoveryCodes,
      handle: async (call, request) => {
        const body = request.body as TotpConfirmation; // as: checked against `body` before
        return json({ recoveryCodes: (await confirmTotp(deps, call, ownerOf(call), body)) ?? null });
      },
    }),
    endpoint({
      ...ownChange,
      id: "mfa.totp-remove",
      method: "DELETE",
      path: "/api/v1/me/mfa/totp",
      summary: "Remove the authenticator app.",
      handle: async (call) => {
        await removeTotp(deps, call, ownerOf(call));
        return { status: 204 };
      },
    }),
  ];
}

function securityKeyEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      ...ownChange,
      id: "mfa.security-key-begin",
      method: "POST",
      path: "/api/v1/me/mfa/security-keys",
      summary: "What a browser needs to register a security key; nothing changes until it is confirmed.",
      reply: async () => (await schemas()).newSecurityKey,
      handle: async (call, request) => json(await beginSecurityKey(deps, ownerOf(call), request)),
    }),
    endpoint({
      ...own,
      id: "mfa.security-key-confirm",
      method: "POST",
      path: "/api/v1/me/mfa/security-keys/confirm",
      summary: "Add the security key that has signed.",
      body: async () => (await schemas()).securityKeyConfirmation,
      reply: async () => (await schemas()).recoveryCodes,
      handle: async (call, request) => {
        const body = request.body as SecurityKeyConfirmation; // as: checked against `body` before
        const codes = await confirmSecurityKey(deps, call, ownerOf(call), request, body);
        return json({ recoveryCodes: codes ?? null });
      },
    }),
    endpoint({
      ...ownChange,
      id: "mfa.security-key-remove",
      method: "DELETE",
      path: "/api/v1/me/mfa/security-keys/{id}",
      summary: "Remove a security key.",
      handle: async (call, request) => {
        const id = request.params["id"] ?? "";
        if (!/^[0-9]{1,15}$/.test(id)) throw new AppError("NOT_FOUND", "there is no such security key");
        await removeSecurityKey(deps, call, ownerOf(call), Number(id));
        return { status: 204 };
      },
    }),
  ];
}

function otherEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      ...own,
      id: "mfa.get",
      method: "GET",
      path: "/api/v1/me/mfa",
      summary: "One's own second factors.",
      reply: async () => (await schemas()).mfaReply,
      handle: async ({ actor }) => {
        if (actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
        return json(await listFactors(deps, actor.userId));
      },
    }),
    endpoint({
      ...ownChange,
      id: "mfa.recovery-codes-renew",
      method: "POST",
      path: "/api/v1/me/mfa/recovery-codes",
      summary: "New recovery codes in place of the old ones.",
      reply: async () => (await schemas()).recoveryCodes,
      handle: async (call) => json({ recoveryCodes: await renewRecoveryCodes(deps, call, ownerOf(call)) }),
    }),
    endpoint({
      id: "mfa.reset",
      method: "DELETE",
      path: "/api/v1/users/{username}/mfa",
      can: { who: "administrator" },
      needsRecentSignIn: true,
      summary: "Take all second factors from somebody who has lost theirs; ends their sessions.",
      handle: async (call, request) => {
        const { id: userId, username } = await getUser(deps, request.params["username"] ?? "");
        await resetFactors(deps, call, { userId, username });
        return { status: 204 };
      },
    }),
    endpoint({
      id: "mfa.require",
      method: "PUT",
      path: "/api/v1/organizations/{namespace}/mfa",
      can: { who: "namespace", action: "admin" },
      needsRecentSignIn: true,
      summary: "Whether those who act in a namespace must have shown a second factor.",
      body: async () => (await schemas()).mfaRequirement,
      reply: async () => (await schemas()).mfaRequirement,
      handle: async (call, request) => {
        const { isRequired } = request.body as MfaRequirement; // as: checked against `body` before
        await requireMfa(deps, call, namespaceOf(request), isRequired);
        return json({ isRequired });
      },
    }),
  ];
}

function namespaceOf(request: Request): string {
  return request.params["namespace"] ?? "";
}

/** A token that fell into wrong hands must not take its owner's second factor away. */
function ownerOf({ actor }: Call): FactorOwner {
  if (actor.kind === "user" && (actor.credential === "session" || actor.credential === "password"))
    return actor;
  throw new AppError("DENIED", "second factors are looked after by their owner, signed in with a browser");
}

function json(value: unknown): Reply {
  return { status: 200, headers: { "cache-control": "no-store" }, body: { kind: "json", value } };
}
