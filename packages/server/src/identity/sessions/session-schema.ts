import { type Static, Type } from "typebox";

const closed = { additionalProperties: false };
const password = Type.String({ minLength: 1, maxLength: 1_024 });

export const signInBody = Type.Object(
  { username: Type.String({ minLength: 1, maxLength: 255 }), password },
  closed,
);

const sessionFields = {
  id: Type.Integer(),
  method: Type.String({ description: "password, or the provider that vouched" }),
  amr: Type.Array(Type.String(), { description: "how they proved who they are (RFC 8176)" }),
  createdAtMs: Type.Integer(),
  lastSeenAtMs: Type.Integer({ description: "to the minute" }),
  authenticatedAtMs: Type.Integer({ description: "when they last proved who they are" }),
  mfaAtMs: Type.Union([Type.Integer(), Type.Null()], { description: "when with a second factor" }),
  expiresAtMs: Type.Integer(),
  address: Type.String(),
  userAgent: Type.Union([Type.String(), Type.Null()]),
  isCurrent: Type.Boolean({ description: "the one that asks" }),
};

export const sessionList = Type.Object({ sessions: Type.Array(Type.Object(sessionFields)) });

const signedIn = Type.Object({
  mfaRequired: Type.Literal(false),
  username: Type.String(),
  csrfToken: Type.String({
    description: "to be sent as x-csrf-token with everything that changes something",
  }),
  expiresAtMs: Type.Integer(),
});

/** A session, or what is still needed for one. */
export const signInReply = Type.Union([
  signedIn,
  Type.Object({
    mfaRequired: Type.Literal(true),
    methods: Type.Array(Type.String(), { description: "totp, security-key, recovery-code" }),
    ticket: Type.String({ description: "for POST /api/v1/sign-in/mfa, within five minutes" }),
    securityKeyOptions: Type.Unknown({
      description: "for navigator.credentials.get; null when there is no key",
    }),
  }),
]);

export const presentSession = Type.Object({
  username: Type.String(),
  isAdmin: Type.Boolean(),
  isAuditor: Type.Boolean(),
  csrfToken: Type.String(),
  session: Type.Object(sessionFields),
});

export const endedSessions = Type.Object({ ended: Type.Integer() });

export type SignInBody = Static<typeof signInBody>;
