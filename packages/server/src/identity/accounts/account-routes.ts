import { actingAs, type Call, type Endpoint, endpoint, type Reply } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import type {
  ConfirmationBody,
  OwnChangeBody,
  ResetBody,
  ResetRequest,
  SignUpBody,
} from "./account-schema.ts";
import { changeOwnAccount, describeOwnAccount, type OwnAccount } from "./change-own-account.ts";
import { confirmEmail } from "./confirm-email.ts";
import type { RequestLimiter } from "./request-limiter.ts";
import { requestPasswordReset, resetPassword } from "./reset-password.ts";
import { signUp } from "./sign-up.ts";

const schemas = () => import("./account-schema.ts");
const anybody = { who: "public" } as const;
const person = { who: "person" } as const;

/** Accounts that people make, recover and change themselves. Secrets travel in bodies only: addresses end up in logs. */
export function accountEndpoints(
  deps: IdentityDeps,
  secrets: SecretVerifier,
  limit: RequestLimiter,
): readonly Endpoint[] {
  return [
    endpoint({
      id: "sign-up.request",
      method: "POST",
      path: "/api/v1/sign-up",
      can: anybody,
      summary: "Ask for an account; it is there once the link in the mail is followed.",
      body: async () => (await schemas()).signUpBody,
      reply: async () => (await schemas()).mailedReply,
      handle: async (call, request) => {
        limit.check(request.remoteAddress);
        limit.count(request.remoteAddress);
        await signUp(deps, call, request.body as SignUpBody); // as: checked against `body` before
        return mailed("A mail is on its way. Follow the link in it to go on.");
      },
    }),
    endpoint({
      id: "email-verifications.create",
      method: "POST",
      path: "/api/v1/email-verifications",
      can: anybody,
      summary: "Follow the link of a mail that proves an address: of a sign-up, or of a new address.",
      body: async () => (await schemas()).confirmationBody,
      reply: async () => (await schemas()).confirmedReply,
      handle: async (call, request) => {
        const { token } = request.body as ConfirmationBody; // as: checked against `body` before
        return { status: 200, body: { kind: "json", value: await confirmEmail(deps, call, token) } };
      },
    }),
    endpoint({
      id: "password-resets.request",
      method: "POST",
      path: "/api/v1/password-resets",
      can: anybody,
      summary: "Ask for a link to a new password.",
      body: async () => (await schemas()).resetRequest,
      reply: async () => (await schemas()).mailedReply,
      handle: async (call, request) => {
        limit.check(request.remoteAddress);
        limit.count(request.remoteAddress);
        const { email } = request.body as ResetRequest; // as: checked against `body` before
        await requestPasswordReset(deps, call, email);
        return mailed("If the address belongs to an account, a mail with a link is on its way.");
      },
    }),
    endpoint({
      id: "password-resets.complete",
      method: "POST",
      path: "/api/v1/password-resets/completions",
      can: anybody,
      summary: "Choose the new password. Ends everything that was signed in with the old one.",
      body: async () => (await schemas()).resetBody,
      handle: async (call, request) => {
        const { revokeAccessTokens = false, ...reset } = request.body as ResetBody; // as: checked against `body` before
        await resetPassword(deps, call, { ...reset, revokeAccessTokens });
        return { status: 204 };
      },
    }),
    endpoint({
      id: "me.account",
      method: "GET",
      path: "/api/v1/me/account",
      can: person,
      summary: "One's own name and e-mail address.",
      reply: async () => (await schemas()).ownAccountReply,
      handle: async (call) => shape(await describeOwnAccount(deps, ownerOf(call).actor)),
    }),
    endpoint({
      id: "me.update",
      method: "PATCH",
      path: "/api/v1/me",
      can: person,
      summary: "Change one's own name, e-mail address or password.",
      body: async () => (await schemas()).ownChange,
      reply: async () => (await schemas()).ownAccountReply,
      handle: async (call, request) => {
        const change = request.body as OwnChangeBody; // as: checked against `body` before
        return shape(await changeOwnAccount(deps, secrets, ownerOf(call), change));
      },
    }),
  ];
}

function ownerOf(call: Call) {
  const { actor } = call;
  if (actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
  return actingAs(call, actor);
}

function mailed(message: string): Reply {
  return { status: 202, body: { kind: "json", value: { message } } };
}

function shape(account: OwnAccount): Reply {
  const value = {
    username: account.username,
    fullName: account.fullName ?? null,
    email: account.email ?? null,
    pendingEmail: account.pendingEmail ?? null,
    hasPassword: account.hasPassword,
  };
  return { status: 200, body: { kind: "json", value } };
}
