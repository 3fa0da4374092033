import { type Static, Type } from "typebox";

const closed = { additionalProperties: false };
const password = Type.String({ minLength: 1, maxLength: 1_024 });

export const userReply = Type.Object({
  username: Type.String(),
  kind: Type.String({ description: "person, robot, issuer or issued" }),
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

export type NewUser = Static<typeof newUser>;
export type UserPatch = Static<typeof userPatch>;
