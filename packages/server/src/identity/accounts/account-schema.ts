import { type Static, Type } from "typebox";

const closed = { additionalProperties: false };
const password = Type.String({ minLength: 1, maxLength: 1_024 });
const email = Type.String({ minLength: 3, maxLength: 254 });
const token = Type.String({ minLength: 1, maxLength: 200, description: "what the link in the mail carries" });
const textOrNull = Type.Union([Type.String(), Type.Null()]);

export const signUpBody = Type.Object(
  { username: Type.String({ minLength: 1, maxLength: 64 }), email, password },
  closed,
);
export type SignUpBody = Static<typeof signUpBody>;

/** The same whatever became of it. */
export const mailedReply = Type.Object({ message: Type.String() });

export const confirmationBody = Type.Object({ token }, closed);
export type ConfirmationBody = Static<typeof confirmationBody>;
export const confirmedReply = Type.Object({
  username: Type.String(),
  outcome: Type.Union([Type.Literal("account-created"), Type.Literal("email-changed")]),
});

export const resetRequest = Type.Object({ email }, closed);
export type ResetRequest = Static<typeof resetRequest>;
export const resetBody = Type.Object(
  {
    token,
    password,
    revokeAccessTokens: Type.Optional(
      Type.Boolean({ description: "true = revoke the account's access tokens, too" }),
    ),
  },
  closed,
);
export type ResetBody = Static<typeof resetBody>;

export const ownChange = Type.Object(
  {
    fullName: Type.Optional(
      Type.String({
        maxLength: 200,
        pattern: "^[^\\u0000-\\u001f\\u007f]*$",
        description: '"" takes it away',
      }),
    ),
    email: Type.Optional(email),
    password: Type.Optional(password),
    currentPassword: Type.Optional(password),
  },
  closed,
);
export type OwnChangeBody = Static<typeof ownChange>;
export const ownAccountReply = Type.Object({
  username: Type.String(),
  fullName: textOrNull,
  email: textOrNull,
  pendingEmail: textOrNull,
  hasPassword: Type.Boolean(),
});
