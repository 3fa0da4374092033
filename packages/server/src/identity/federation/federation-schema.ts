import { type Static, Type } from "typebox";

/** RFC 8693, 2.1, as a form or as JSON. Unknown fields are taken: clients add their own. */
export const exchangeForm = Type.Object({
  grant_type: Type.Literal("urn:ietf:params:oauth:grant-type:token-exchange"),
  subject_token: Type.String({ minLength: 1, maxLength: 16_384 }),
  subject_token_type: Type.Union([
    Type.Literal("urn:ietf:params:oauth:token-type:jwt"),
    Type.Literal("urn:ietf:params:oauth:token-type:id_token"),
  ]),
  rule: Type.String({ minLength: 1, maxLength: 200, description: "the trust rule: acme/ci" }),
  audience: Type.Optional(
    Type.String({ maxLength: 255, description: "the registry's service name, if given" }),
  ),
  scope: Type.Optional(Type.String({ maxLength: 10_000, description: "repository:acme/app:pull,push" })),
  requested_token_type: Type.Optional(Type.String({ maxLength: 100 })),
});
export type ExchangeForm = Static<typeof exchangeForm>;

/** RFC 8693, 2.2.1, and the user name to show the token with. */
export const exchangeReply = Type.Object({
  access_token: Type.String({ description: "a password for docker, or a bearer token" }),
  issued_token_type: Type.String(),
  token_type: Type.Literal("Bearer"),
  expires_in: Type.Integer(),
  scope: Type.Optional(Type.String()),
  username: Type.String(),
});
