import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { exchangeToken, type FederationDeps, toScopeText } from "./exchange-token.ts";
import type { ExchangeForm } from "./federation-schema.ts";

const schemas = () => import("./federation-schema.ts");

const accessTokenType = "urn:ietf:params:oauth:token-type:access_token";

/** Where CI systems and clusters change their token for one of ours (RFC 8693). */
export function federationEndpoints(deps: FederationDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "federation.exchange",
      method: "POST",
      path: "/api/v1/federation/token",
      can: { who: "public" },
      summary: "Exchange the token of a trusted issuer for a short-lived credential.",
      body: async () => (await schemas()).exchangeForm,
      reply: async () => (await schemas()).exchangeReply,
      handle: async (call, request) => {
        const form = request.body as ExchangeForm; // as: checked against `body` before
        const { audience, requested_token_type: wanted } = form;
        if (audience !== undefined && audience !== "" && audience !== deps.tokens.service) {
          throw new AppError("REQUEST_INVALID", "`audience` names another service than this registry");
        }
        if (wanted !== undefined && wanted !== "" && wanted !== accessTokenType) {
          throw new AppError("REQUEST_INVALID", `the only \`requested_token_type\` is ${accessTokenType}`);
        }
        const exchanged = await exchangeToken(deps, call, {
          token: form.subject_token,
          rule: form.rule,
          scope: form.scope,
        });
        const scope = toScopeText(exchanged.scopes);
        const value = {
          access_token: exchanged.secret,
          issued_token_type: accessTokenType,
          token_type: "Bearer",
          expires_in: exchanged.expiresInSeconds,
          ...(scope === undefined ? {} : { scope }),
          username: exchanged.username,
        };
        return { status: 200, headers: { "cache-control": "no-store" }, body: { kind: "json", value } };
      },
    }),
  ];
}
