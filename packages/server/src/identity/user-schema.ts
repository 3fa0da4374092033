import { type Static, Type } from "typebox";
import { roles } from "../access/grant-store.ts";

const closed = { additionalProperties: false };
const password = Type.String({ minLength: 1, maxLength: 1_024 });

export const userReply = Type.Object({
  username: Type.String(),
  isAdmin: Type.Boolean(),
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
  scopes: Type.Union([Type.String(), Type.Null()], {
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
    scopes: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 4_096,
        description: "repository:acme/app:pull,push … (whole names, no patterns)",
      }),
    ),
    expiresAtMs: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
);
export const createdAccessToken = Type.Object({ token: accessTokenReply, secret: Type.String() });

const role = Type.Union(roles.map((name) => Type.Literal(name)));
export const grantReply = Type.Object({ username: Type.String(), role });
export const grantList = Type.Object({ grants: Type.Array(grantReply) });
export const grantBody = Type.Object({ role }, closed);

export type NewUser = Static<typeof newUser>;
export type UserPatch = Static<typeof userPatch>;
export type NewAccessToken = Static<typeof newAccessToken>;
export type GrantBody = Static<typeof grantBody>;
