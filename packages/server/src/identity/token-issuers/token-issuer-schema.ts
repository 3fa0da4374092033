import { type Static, Type } from "typebox";

const closed = { additionalProperties: false };
/** Asymmetric ones only: with a shared secret, whoever verifies can sign. */
const algorithm = Type.Union(
  (["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"] as const).map(
    (name) => Type.Literal(name),
  ),
);
const shared = {
  name: Type.String({ minLength: 1, maxLength: 64, pattern: "^[a-z0-9]+([-.][a-z0-9]+)*$" }),
  issuer: Type.String({ minLength: 1, maxLength: 500, description: "the claim `iss` of its tokens" }),
  audience: Type.String({ minLength: 1, maxLength: 500, description: "the claim `aud`" }),
  algorithms: Type.Array(algorithm, { minItems: 1, maxItems: 10 }),
  patterns: Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
    minItems: 1,
    maxItems: 100,
    description: "the repositories that it may speak for",
  }),
  clockSkewSeconds: Type.Integer({ minimum: 0, maximum: 300 }),
};
const url = Type.String({ minLength: 1, maxLength: 2_000 });

export const newTokenIssuer = Type.Object(
  {
    ...shared,
    clockSkewSeconds: Type.Optional(shared.clockSkewSeconds),
    jwksUrl: Type.Optional(url),
    keys: Type.Optional(
      Type.String({
        maxLength: 100_000,
        description: "PEM of public keys or certificates, or a JWKS as text",
      }),
    ),
    rootCertificates: Type.Optional(
      Type.String({ maxLength: 100_000, description: "PEM: what the `x5c` of a token must lead to" }),
    ),
    realm: Type.Optional(url),
  },
  closed,
);
export const tokenIssuerReply = Type.Object({
  ...shared,
  jwksUrl: Type.Union([Type.String(), Type.Null()]),
  keyIds: Type.Array(Type.String(), { description: "as libtrust names the keys that were given" }),
  hasRootCertificates: Type.Boolean(),
  realm: Type.Union([Type.String(), Type.Null()]),
  createdAtMs: Type.Integer(),
  createdBy: Type.String(),
});
export const tokenIssuerList = Type.Object({ tokenIssuers: Type.Array(tokenIssuerReply) });
export type NewTokenIssuerBody = Static<typeof newTokenIssuer>;
