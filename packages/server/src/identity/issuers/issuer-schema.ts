import { type Static, Type } from "typebox";
import { maxPullsPerHour, networks, rotation } from "../access-tokens/access-token-schema.ts";
import { nullable, text } from "../schema-words.ts";

const closed = { additionalProperties: false };
const tenYears = 315_360_000;

/** What issuers can be given to give: nothing that changes settings or rights. */
export const issuableActions = ["pull", "push", "delete"] as const;

const box = {
  repositories: Type.Array(
    Type.String({ minLength: 1, maxLength: 255, description: "acme/free/**, within the namespace" }),
    { minItems: 1, maxItems: 100 },
  ),
  actions: Type.Array(Type.Union(issuableActions.map((action) => Type.Literal(action))), {
    minItems: 1,
    maxItems: issuableActions.length,
  }),
  maxLifetimeSeconds: Type.Optional(
    nullable(Type.Integer({ minimum: 60, maximum: tenYears, description: "null = as long as it likes" })),
  ),
  maxActive: Type.Optional(
    nullable(
      Type.Integer({ minimum: 1, maximum: 10_000_000, description: "good at one time; null = any number" }),
    ),
  ),
  requireExpiry: Type.Optional(Type.Boolean()),
  networks: Type.Optional(nullable(networks)),
  maxPullsPerHour: Type.Optional(maxPullsPerHour),
};

export const newIssuer = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$" }),
    description: Type.Optional(text(1_000)),
    ...box,
  },
  closed,
);
export const issuerPatch = Type.Partial(
  Type.Object({ description: text(1_000), isDisabled: Type.Boolean(), ...box }, closed),
  closed,
);
export const issuerReply = Type.Object({
  name: Type.String(),
  username: Type.String({ description: "what it signs in as" }),
  description: Type.String(),
  isDisabled: Type.Boolean(),
  createdAtMs: Type.Integer(),
  repositories: box.repositories,
  actions: box.actions,
  maxLifetimeSeconds: nullable(Type.Integer()),
  maxActive: nullable(Type.Integer()),
  requireExpiry: Type.Boolean(),
  networks: nullable(networks),
  maxPullsPerHour,
});
export const issuerList = Type.Object({ issuers: Type.Array(issuerReply) });
export const issuerSecret = Type.Object({ issuer: issuerReply, secret: Type.String() });
export { rotation };

export type NewIssuer = Static<typeof newIssuer>;
export type IssuerPatch = Static<typeof issuerPatch>;
