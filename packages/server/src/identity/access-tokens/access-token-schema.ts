import { type Static, Type } from "typebox";
import { repositoryActions } from "../../access/actions.ts";
import { maxGraceSeconds } from "../credentials/rotate-credential.ts";

const closed = { additionalProperties: false };
const timeOrNull = Type.Union([Type.Integer(), Type.Null()]);
const latestMs = 8_640_000_000_000_000;

/** What limits a credential. */
export const credentialScopes = Type.Array(
  Type.Object(
    {
      repositories: Type.String({
        minLength: 1,
        maxLength: 255,
        description: "acme/app, acme/app-*, or acme/app/** for everything below acme/app",
      }),
      tags: Type.Optional(
        Type.String({ minLength: 1, maxLength: 128, description: "1.*; absent = every tag" }),
      ),
      actions: Type.Array(Type.Union(repositoryActions.map((action) => Type.Literal(action))), {
        minItems: 1,
        maxItems: repositoryActions.length,
      }),
    },
    closed,
  ),
  { minItems: 1, maxItems: 100 },
);

export const networks = Type.Array(
  Type.String({ minLength: 1, maxLength: 64, description: "192.0.2.0/24, 2001:db8::/32 or one address" }),
  { minItems: 1, maxItems: 100 },
);

export const credentialName = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: "^[^\\u0000-\\u001f\\u007f]+$",
  description: "any text without control characters",
});
export const description = Type.String({ maxLength: 1_000, pattern: "^[^\\u0000]*$" });
export const time = Type.Integer({ minimum: 0, maximum: latestMs });
export const suppliedSecret = Type.String({
  maxLength: 200,
  description: "20 to 200 visible ASCII characters that are hard to guess; absent = one is made",
});

/** How often a credential may be used. */
const perHour = Type.Integer({ minimum: 1, maximum: 10_000_000 });
export const maxPullsPerHour = Type.Union([perHour, Type.Null()], {
  description: "manifests read by GET in an hour; null = no limit of its own",
});
const maxRequestsPerMinute = Type.Union([perHour, Type.Null()], {
  description:
    "requests in a minute, counted by each process for itself; null = as the server's settings say",
});
export const useLimits = {
  maxPullsPerHour: Type.Optional(maxPullsPerHour),
  maxRequestsPerMinute: Type.Optional(maxRequestsPerMinute),
};
export const useLimitsReply = { maxPullsPerHour, maxRequestsPerMinute };

export const accessTokenReply = Type.Object({
  id: Type.Integer(),
  kind: Type.String(),
  name: Type.String(),
  description: Type.String(),
  scopes: Type.Union([credentialScopes, Type.Null()], {
    description: "what limits it; null = all that its user may",
  }),
  networks: Type.Union([networks, Type.Null()], { description: "from where it is good; null = anywhere" }),
  createdAtMs: Type.Integer(),
  notBeforeMs: timeOrNull,
  expiresAtMs: timeOrNull,
  lastUsedAtMs: timeOrNull,
  lastUsedAddress: Type.Union([Type.String(), Type.Null()]),
  ...useLimitsReply,
  secrets: Type.Array(
    Type.Object({
      id: Type.Integer(),
      createdAtMs: Type.Integer(),
      expiresAtMs: timeOrNull,
      isLegacy: Type.Boolean({ description: "its hash has no key; rotating the token replaces it" }),
    }),
  ),
});
export const accessTokenList = Type.Object({ tokens: Type.Array(accessTokenReply) });
export const newAccessToken = Type.Object(
  {
    name: credentialName,
    kind: Type.Optional(
      Type.Union([Type.Literal("personal"), Type.Literal("application")], {
        description: "application: good for the registry only, not for the management API",
      }),
    ),
    description: Type.Optional(description),
    scopes: Type.Optional(credentialScopes),
    networks: Type.Optional(networks),
    notBeforeMs: Type.Optional(time),
    expiresAtMs: Type.Optional(time),
    ...useLimits,
  },
  closed,
);
export const accessTokenPatch = Type.Object(
  {
    name: Type.Optional(credentialName),
    description: Type.Optional(description),
    scopes: Type.Optional(credentialScopes),
    networks: Type.Optional(Type.Union([networks, Type.Null()])),
    expiresAtMs: Type.Optional(Type.Union([time, Type.Null()])),
    ...useLimits,
  },
  closed,
);
export const rotation = Type.Object(
  { graceSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: maxGraceSeconds })) },
  closed,
);
/** What a fresh secret comes with, beside what was made. */
export const freshSecret = {
  secret: Type.String(),
  dockerConfig: Type.Object({ auths: Type.Record(Type.String(), Type.Unknown()) }),
  dockerLogin: Type.String(),
};
export const createdAccessToken = Type.Object({ token: accessTokenReply, ...freshSecret });

const usageCounts = {
  pulls: Type.Integer({ description: "manifests read" }),
  pushes: Type.Integer({ description: "manifests written" }),
  bytesOut: Type.Integer(),
  bytesIn: Type.Integer(),
};
export const usageList = Type.Object({
  usage: Type.Array(Type.Object({ day: Type.String(), repository: Type.String(), ...usageCounts })),
  total: Type.Object(usageCounts),
});

export type NewAccessToken = Static<typeof newAccessToken>;
export type AccessTokenPatch = Static<typeof accessTokenPatch>;
export type Rotation = Static<typeof rotation>;
