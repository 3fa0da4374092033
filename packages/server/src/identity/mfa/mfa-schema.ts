import { type Static, Type } from "typebox";

const closed = { additionalProperties: false };
const ticket = Type.String({ minLength: 1, maxLength: 4_096 });
const code = Type.String({ pattern: "^[0-9]{6}$", description: "what the authenticator app shows" });
const recoveryCode = Type.String({ minLength: 16, maxLength: 40 });
const securityKey = Type.Object(
  { id: Type.String({ minLength: 1, maxLength: 2_048 }) },
  { description: "what navigator.credentials.get gives, as JSON" },
);

/** One of the three. */
const factor = {
  code: Type.Optional(code),
  recoveryCode: Type.Optional(recoveryCode),
  securityKey: Type.Optional(securityKey),
};

export const mfaSignInBody = Type.Object({ ticket, ...factor }, closed);
export const stepUpBody = Type.Object(
  {
    password: Type.Optional(Type.String({ minLength: 1, maxLength: 1_024 })),
    ticket: Type.Optional(ticket),
    ...factor,
  },
  closed,
);
export const offer = Type.Object({
  methods: Type.Array(Type.String(), {
    description:
      "password, totp, security-key, recovery-code, provider (POST /api/v1/session/step-up/provider); none = sign in anew",
  }),
  ticket: Type.Union([Type.String(), Type.Null()], { description: "to be sent back with the factor" }),
  securityKeyOptions: Type.Unknown({ description: "for navigator.credentials.get" }),
});

const securityKeyReply = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  createdAtMs: Type.Integer(),
  lastUsedAtMs: Type.Union([Type.Integer(), Type.Null()]),
});
export const mfaReply = Type.Object({
  totp: Type.Union([
    Type.Object({ createdAtMs: Type.Integer(), lastUsedAtMs: Type.Union([Type.Integer(), Type.Null()]) }),
    Type.Null(),
  ]),
  securityKeys: Type.Array(securityKeyReply),
  recoveryCodesLeft: Type.Integer(),
});
export const newTotp = Type.Object({
  ticket: Type.String(),
  secret: Type.String({ description: "base32, to be typed into an app" }),
  uri: Type.String({ description: "otpauth://, to be opened with an app" }),
  qrSvg: Type.String({ description: "the same as a picture" }),
});
export const totpConfirmation = Type.Object({ ticket, code }, closed);
export const newSecurityKey = Type.Object({
  ticket: Type.String(),
  options: Type.Unknown({ description: "for navigator.credentials.create" }),
});
export const securityKeyConfirmation = Type.Object(
  {
    ticket,
    name: Type.String({ minLength: 1, maxLength: 60, pattern: "^[^\\u0000-\\u001f\\u007f]+$" }),
    response: Type.Object(
      { id: Type.String({ minLength: 1, maxLength: 2_048 }) },
      { description: "what navigator.credentials.create gives, as JSON" },
    ),
  },
  closed,
);
export const recoveryCodes = Type.Object({
  recoveryCodes: Type.Union([Type.Array(Type.String()), Type.Null()], {
    description: "shown now and never again; null = those of before stay",
  }),
});
export const mfaRequirement = Type.Object({ isRequired: Type.Boolean() }, closed);

export type MfaSignInBody = Static<typeof mfaSignInBody>;
export type StepUpBody = Static<typeof stepUpBody>;
export type TotpConfirmation = Static<typeof totpConfirmation>;
export type SecurityKeyConfirmation = Static<typeof securityKeyConfirmation>;
export type MfaRequirement = Static<typeof mfaRequirement>;
