import { actingAs, type Call, type Endpoint, endpoint } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { StepUpBody } from "../mfa/mfa-schema.ts";
import { offerFactors } from "../mfa/offer-factors.ts";
import type { FactorVerifier } from "../mfa/verify-factor.ts";
import { findProviderOfSession } from "../providers/step-up-elsewhere.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import { type SessionActor, stepUp } from "./step-up.ts";

const schemas = () => import("../mfa/mfa-schema.ts");
const noStore = { "cache-control": "no-store" };

/** How the owner of a session proves again that it is theirs, before something dangerous. */
export function stepUpEndpoints(
  deps: IdentityDeps,
  secrets: SecretVerifier,
  factors: FactorVerifier,
): readonly Endpoint[] {
  return [
    endpoint({
      id: "session.step-up-methods",
      method: "GET",
      path: "/api/v1/session/step-up",
      can: { who: "person" },
      isOpenBeforeMfa: true,
      summary: "How the owner of this session can prove again that it is theirs.",
      reply: async () => (await schemas()).offer,
      handle: async (call, request) => {
        const { userId, passwordEpoch = "" } = sessionOf(call);
        const offer = await offerFactors(deps, "step-up", { userId, passwordEpoch }, request);
        const elsewhere = await findProviderOfSession(deps, sessionOf(call));
        const methods = [
          ...(passwordEpoch === "" ? [] : ["password"]),
          ...(elsewhere === undefined ? [] : ["provider"]),
        ];
        const value = offer ?? { methods, ticket: null, securityKeyOptions: null };
        return { status: 200, headers: noStore, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "session.step-up",
      method: "POST",
      path: "/api/v1/session/step-up",
      can: { who: "person" },
      isOpenBeforeMfa: true,
      summary:
        "Prove again that this session is one's own: by a second factor, or by password for those who have none.",
      body: async () => (await schemas()).stepUpBody,
      handle: async (call, request) => {
        const body = request.body as StepUpBody; // as: checked against `body` before
        await stepUp(deps, { secrets, factors }, actingAs(call, sessionOf(call)), request, body);
        return { status: 204, headers: noStore };
      },
    }),
  ];
}

function sessionOf({ actor }: Call): SessionActor {
  if (actor.kind === "user" && actor.sessionId !== undefined) return { ...actor, sessionId: actor.sessionId };
  throw new AppError("REQUEST_INVALID", "only a browser's session can be stepped up");
}
