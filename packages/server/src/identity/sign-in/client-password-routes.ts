import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { credentialFormats, credentialReply } from "../credentials/credential-reply.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { sealClientPassword } from "./client-password.ts";
import type { ClientPasswordBody } from "./client-password-schema.ts";
import type { SecretVerifier } from "./verify-secret.ts";

const schemas = () => import("./client-password-schema.ts");

/** What can lie in a docker config instead of one's password. */
export function clientPasswordEndpoints(deps: IdentityDeps, secrets: SecretVerifier): readonly Endpoint[] {
  return [
    endpoint({
      id: "me.client-password",
      method: "POST",
      path: "/api/v1/me/client-password",
      can: { who: "person" },
      summary:
        "Text to use in place of one's password for pulling and pushing; it holds no password and ends when the password is changed.",
      query: credentialFormats,
      body: async () => (await schemas()).clientPasswordBody,
      reply: async () => (await schemas()).clientPasswordReply,
      handle: async ({ actor }, request) => {
        if (actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
        const { password } = request.body as ClientPasswordBody; // as: checked against `body` before
        const { username } = actor;
        const shown = await secrets.verifyPassword(username, password, request.remoteAddress);
        if (
          shown.userId !== actor.userId ||
          shown.passwordEpoch === undefined ||
          shown.passwordEpoch === ""
        ) {
          throw new AppError(
            "REQUEST_INVALID",
            "your password is kept somewhere else; make an access token instead",
          );
        }
        const secret = sealClientPassword(deps.secretBox, {
          userId: shown.userId,
          passwordEpoch: shown.passwordEpoch,
        });
        return credentialReply(request, 200, { username, secret, value: { username } });
      },
    }),
  ];
}
