import { checkSameOrigin } from "../../http/check-same-origin.ts";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { SecretVerifier } from "../sign-in/verify-secret.ts";
import { sessionSecretIn } from "./session-cookie.ts";
import type { SignInBody } from "./session-schema.ts";
import { startSession } from "./start-session.ts";

const schemas = () => import("./session-schema.ts");

/** How a browser is signed in with a password of ours. */
export function signInEndpoints(deps: IdentityDeps, secrets: SecretVerifier): readonly Endpoint[] {
  return [
    endpoint({
      id: "session.start",
      method: "POST",
      path: "/api/v1/sign-in",
      can: { who: "public" },
      summary: "Sign a browser in with user name and password; the reply sets its cookie.",
      body: async () => (await schemas()).signInBody,
      reply: async () => (await schemas()).signedIn,
      handle: async (call, request) => {
        // Nobody else's page signs somebody in as whom it likes.
        checkSameOrigin(request.headers, request.origin);
        const { username, password } = request.body as SignInBody; // as: checked against `body` before
        const { userId, passwordEpoch } = await secrets.verifyPassword(
          username,
          password,
          request.remoteAddress,
        );
        const started = await startSession(deps, call, {
          userId,
          method: "password",
          amr: ["pwd"],
          isMfa: false,
          passwordEpoch,
          origin: request.origin,
          replaces: sessionSecretIn(request.headers, request.origin),
        });
        const { csrfToken, expiresAtMs } = started;
        return {
          status: 200,
          headers: { "cache-control": "no-store", "set-cookie": started.setCookie },
          body: { kind: "json", value: { username: started.username, csrfToken, expiresAtMs } },
        };
      },
    }),
  ];
}
