import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import {
  createTokenIssuer,
  keyIdsOf,
  knownTokenIssuers,
  type ManageIssuersDeps,
  removeTokenIssuer,
  type TokenIssuer,
} from "./manage-token-issuers.ts";
import type { NewTokenIssuerBody } from "./token-issuer-schema.ts";

const schemas = () => import("./token-issuer-schema.ts");
const collection = "/api/v1/token-issuers";
const administrator = { who: "administrator" } as const;

/** Management of token services outside whose tokens are taken. To change one, remove it and make it anew. */
export function tokenIssuerEndpoints(deps: ManageIssuersDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "token-issuers.list",
      method: "GET",
      path: collection,
      can: { who: "auditor" },
      summary: "Whose tokens are taken, and for which repositories.",
      reply: async () => (await schemas()).tokenIssuerList,
      handle: async () => {
        const tokenIssuers = (await knownTokenIssuers(deps)).map(shape);
        return { status: 200, body: { kind: "json", value: { tokenIssuers } } };
      },
    }),
    endpoint({
      id: "token-issuers.create",
      method: "POST",
      path: collection,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Take the tokens of a token service for the repositories of some patterns.",
      body: async () => (await schemas()).newTokenIssuer,
      reply: async () => (await schemas()).tokenIssuerReply,
      handle: async (call, request) => {
        const body = request.body as NewTokenIssuerBody; // as: checked against `body` before
        const value = shape(await createTokenIssuer(deps, call, body));
        return { status: 201, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "token-issuers.remove",
      method: "DELETE",
      path: `${collection}/{tokenIssuer}`,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Take its tokens no longer, those already issued included.",
      handle: async (call, request) => {
        await removeTokenIssuer(deps, call, request.params["tokenIssuer"] ?? "");
        return { status: 204 };
      },
    }),
  ];
}

function shape(issuer: TokenIssuer) {
  const { name, audience, algorithms, patterns, clockSkewSeconds, jwksUrl, roots, realm } = issuer;
  return {
    name,
    issuer: issuer.issuer,
    audience,
    algorithms,
    patterns,
    clockSkewSeconds,
    jwksUrl: jwksUrl ?? null,
    keyIds: keyIdsOf(issuer),
    hasRootCertificates: roots !== undefined,
    realm: realm ?? null,
    createdAtMs: issuer.createdAtMs,
    createdBy: issuer.createdBy,
  };
}
