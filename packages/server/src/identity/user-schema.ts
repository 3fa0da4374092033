import { type Static, Type } from "typebox";
import { repositoryActions } from "../access/actions.ts";

const closed = { additionalProperties: false };
const password = Type.String({ minLength: 1, maxLength: 1_024 });

const credentialScopes = Type.Array(
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

export const userReply = Type.Object({
  username: Type.String(),
  isAdmin: Type.Boolean(),
  isAuditor: Type.Boolean(),
  isDisabled: Type.Boolean(),
  createdAtMs: Type.Integer(),
});
export const userList = Type.Object({
  users: Type.Array(userReply),
  next: Type.Union([Type.String(), Type.Null()]),
});
export const newUser = Type.Object(
  {
    username: Type.String({ minLength: 1, maxLength: 64 }),
    password,
    isAdmin: Type.Optional(Type.Boolean()),
  },
  closed,
);
export const userPatch = Type.Object(
  {
    password: Type.Optional(password),
    isAdmin: Type.Optional(Type.Boolean()),
    isAuditor: Type.Optional(Type.Boolean()),
    isDisabled: Type.Optional(Type.Boolean()),
  },
  closed,
);
export const meReply = Type.Object({
  username: Type.String(),
  isAdmin: Type.Boolean(),
  credential: Type.String(),
});

export const accessTokenReply = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  scopes: Type.Union([credentialScopes, Type.Null()], {
    description: "what limits it; null = all that its user may",
  }),
  createdAtMs: Type.Integer(),
  expiresAtMs: Type.Union([Type.Integer(), Type.Null()]),
  lastUsedAtMs: Type.Union([Type.Integer(), Type.Null()]),
});
export const accessTokenList = Type.Object({ tokens: Type.Array(accessTokenReply) });
export const newAccessToken = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 100,
      pattern: "^[^\\u0000-\\u001f\\u007f]+$",
      description: "any text without control characters",
    }),
    scopes: Type.Optional(credentialScopes),
    expiresAtMs: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
);
export const createdAccessToken = Type.Object({ token: accessTokenReply, secret: Type.String() });

export type NewUser = Static<typeof newUser>;
export type UserPatch = Static<typeof userPatch>;
export type NewAccessToken = Static<typeof newAccessToken>;
