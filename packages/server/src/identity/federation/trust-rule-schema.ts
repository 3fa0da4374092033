import { type Static, Type } from "typebox";
import { repositoryActions } from "../../access/actions.ts";

const closed = { additionalProperties: false };
const pem = Type.String({ minLength: 1, maxLength: 65_536 });

const scopes = Type.Array(
  Type.Object(
    {
      repositories: Type.String({ minLength: 1, maxLength: 255 }),
      tags: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
      actions: Type.Array(Type.Union(repositoryActions.map((action) => Type.Literal(action))), {
        minItems: 1,
        maxItems: repositoryActions.length,
      }),
    },
    closed,
  ),
  { minItems: 1, maxItems: 100 },
);

const claims = Type.Array(
  Type.Object(
    {
      claim: Type.String({
        minLength: 1,
        maxLength: 200,
        description: 'name of a claim, or JSON Pointer to one inside another: "/kubernetes.io/namespace"',
      }),
      equals: Type.Optional(Type.String({ maxLength: 1_000 })),
      matches: Type.Optional(
        Type.String({ minLength: 1, maxLength: 1_000, description: "`*` stands for any characters" }),
      ),
    },
    closed,
  ),
  { minItems: 1, maxItems: 20, description: "all must hold" },
);

const values = {
  issuer: Type.String({ minLength: 1, maxLength: 500, pattern: "^[^\\u0000-\\u001f\\u007f]+$" }),
  jwksUrl: Type.Optional(
    Type.String({ maxLength: 1_000, description: "absent = OpenID discovery at the issuer" }),
  ),
  keys: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 262_144,
      description: "JSON Web Key Set, or PEM, for an issuer that cannot be asked",
    }),
  ),
  certificateAuthority: Type.Optional(pem),
  audience: Type.String({ minLength: 1, maxLength: 500, description: "must be among the token's audiences" }),
  claims,
  subject: Type.String({
    minLength: 1,
    maxLength: 200,
    description: "the robot or issuer that the token becomes",
  }),
  scopes: Type.Optional(scopes),
  maxLifetimeSeconds: Type.Optional(
    Type.Integer({ minimum: 60, maximum: 3_600, description: "900 when absent" }),
  ),
  isOneTime: Type.Optional(Type.Boolean({ description: "take each token once, by its `jti`" })),
  isDisabled: Type.Optional(Type.Boolean()),
};

const name = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: "^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$",
});
export const newTrustRule = Type.Object({ name, ...values }, closed);
export type NewTrustRule = Static<typeof newTrustRule>;
export const trustRuleBody = Type.Object(values, closed);
export type TrustRuleBody = Static<typeof trustRuleBody>;

const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()]);

export const trustRuleReply = Type.Object({
  name: Type.String(),
  fullName: Type.String({ description: "what an exchange names" }),
  issuer: Type.String(),
  jwksUrl: orNull(Type.String()),
  keys: orNull(Type.Array(Type.Object({}, { additionalProperties: true }))),
  certificateAuthority: orNull(Type.String()),
  audience: Type.String(),
  claims,
  subject: Type.String(),
  scopes: orNull(scopes),
  maxLifetimeSeconds: Type.Integer(),
  isOneTime: Type.Boolean(),
  isDisabled: Type.Boolean(),
  createdAtMs: Type.Integer(),
  createdBy: Type.String(),
  lastUsedAtMs: orNull(Type.Integer()),
});
export const trustRuleList = Type.Object({ rules: Type.Array(trustRuleReply), next: orNull(Type.String()) });

export const ruleTest = Type.Object({ token: Type.String({ minLength: 1, maxLength: 16_384 }) }, closed);
export type RuleTest = Static<typeof ruleTest>;
export const ruleTestReply = Type.Object({ isTaken: Type.Boolean(), why: Type.String() });
