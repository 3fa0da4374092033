import { checkSameOrigin } from "../../http/check-same-origin.ts";
import { type Call, type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { MfaSignInBody } from "../mfa/mfa-schema.ts";
import { offerFactors } from "../mfa/offer-factors.ts";
import { shownFactorIn } from "../mfa/shown-factor.ts";
import { badTicket, openTicket, redeemTicket } from "../mfa/ticket.ts";
import type { FactorVerifier } from "../mfa/verify-factor.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import { sessionSecretIn } from "./session-cookie.ts";
import type { SignInBody } from "./session-schema.ts";
import { startSession } from "./start-session.ts";

const schemas = () => import("./session-schema.ts");
const noStore = { "cache-control": "no-store" };

/** How a browser is signed in with a password of ours and, where its owner has one, a second factor. */
export function signInEndpoints(
  deps: IdentityDeps,
  secrets: SecretVerifier,
  factors: FactorVerifier,
): readonly Endpoint[] {
  async function start(
    call: Call,
    request: Request,
    proof: {
      readonly userId: number;
      readonly passwordEpoch: string | undefined;
      readonly amr: readonly string[];
      readonly isMfa: boolean;
    },
  ): Promise<Reply> {
    const { origin, headers } = request;
    const started = await startSession(deps, call, {
      ...proof,
      method: "password",
      origin,
      replaces: sessionSecretIn(headers, origin),
    });
    const { username, csrfToken, expiresAtMs } = started;
    return {
      status: 200,
      headers: { ...noStore, "set-cookie": started.setCookie },
      body: { kind: "json", value: { mfaRequired: false, username, csrfToken, expiresAtMs } },
    };
  }

  return [
    endpoint({
      id: "session.start",
      method: "POST",
      path: "/api/v1/sign-in",
      can: { who: "public" },
      summary:
        "Sign a browser in with user name and password; the reply sets its cookie, or asks for a second factor.",
      body: async () => (await schemas()).signInBody,
      reply: async () => (await schemas()).signInReply,
      handle: async (call, request) => {
        // Nobody else's page signs somebody in as whom it likes.
        checkSameOrigin(request.headers, request.origin);
        const { username, password } = request.body as SignInBody; // as: checked against `body` before
        const actor = await secrets.verifyPassword(username, password, request.remoteAddress);
        const { userId, passwordEpoch = "" } = actor;
        const offer = await offerFactors(deps, "sign-in", { userId, passwordEpoch }, request);
        if (offer !== undefined) {
          return {
            status: 200,
            headers: noStore,
            body: { kind: "json", value: { mfaRequired: true, ...offer } },
          };
        }
        return start(call, request, { userId, passwordEpoch, amr: ["pwd"], isMfa: false });
      },
    }),
    endpoint({
      id: "session.start-mfa",
      method: "POST",
      path: "/api/v1/sign-in/mfa",
      can: { who: "public" },
      summary: "The second half of a sign-in: the ticket of the first, and a second factor.",
      body: async () => (await import("../mfa/mfa-schema.ts")).mfaSignInBody,
      reply: async () => (await schemas()).signInReply,
      handle: async (call, request) => {
        checkSameOrigin(request.headers, request.origin);
        const body = request.body as MfaSignInBody; // as: checked against `body` before
        const ticket = openTicket(deps, "sign-in", body.ticket);
        const living = await secrets.findLiving(ticket.userId, undefined, request.remoteAddress);
        // The password that the first half was about is not theirs any more.
        if (living === undefined || living.passwordEpoch !== ticket.passwordEpoch) throw badTicket();
        const amr = await factors.take(
          living.user,
          shownFactorIn(body, ticket),
          request,
          async (tx, shown) => {
            await redeemTicket(tx, ticket);
            return shown;
          },
        );
        const { userId, passwordEpoch } = ticket;
        return start(call, request, { userId, passwordEpoch, amr: ["pwd", ...amr], isMfa: true });
      },
    }),
  ];
}
