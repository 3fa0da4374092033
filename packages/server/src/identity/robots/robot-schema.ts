import { type Static, Type } from "typebox";
import {
  credentialScopes,
  freshSecret,
  networks,
  suppliedSecret,
  time,
  useLimits,
  useLimitsReply,
} from "../access-tokens/access-token-schema.ts";
import { maxGraceSeconds } from "../credentials/rotate-credential.ts";
import { nullable, text } from "../schema-words.ts";

const closed = { additionalProperties: false };
const metadata = Type.Record(Type.String({ maxLength: 100 }), Type.Unknown(), {
  description: "whatever is worth remembering about it, at most 4 KiB",
});

export const robotReply = Type.Object({
  name: Type.String(),
  username: Type.String({ description: "what it signs in as: acme+ci" }),
  description: Type.String(),
  metadata,
  isDisabled: Type.Boolean(),
  expiresAtMs: nullable(Type.Integer()),
  createdAtMs: Type.Integer(),
  createdBy: nullable(Type.String()),
  scopes: nullable(credentialScopes),
  networks: nullable(networks),
  lastUsedAtMs: nullable(Type.Integer()),
  lastUsedAddress: nullable(Type.String()),
  ...useLimitsReply,
  secrets: Type.Array(
    Type.Object({
      id: Type.Integer(),
      createdAtMs: Type.Integer(),
      expiresAtMs: nullable(Type.Integer()),
    }),
  ),
});
export const robotList = Type.Object({ robots: Type.Array(robotReply), next: nullable(Type.String()) });
export const robotWithSecret = Type.Object({ robot: robotReply, ...freshSecret });

const settings = {
  description: Type.Optional(text(1_000)),
  metadata: Type.Optional(metadata),
  scopes: Type.Optional(credentialScopes),
  ...useLimits,
};
export const newRobot = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64 }),
    ...settings,
    expiresAtMs: Type.Optional(time),
    networks: Type.Optional(networks),
    secret: Type.Optional(suppliedSecret),
  },
  closed,
);
export const robotPatch = Type.Object(
  {
    ...settings,
    isDisabled: Type.Optional(Type.Boolean()),
    expiresAtMs: Type.Optional(nullable(time)),
    networks: Type.Optional(nullable(networks)),
  },
  closed,
);
export const robotRotation = Type.Object(
  {
    graceSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: maxGraceSeconds })),
    secret: Type.Optional(suppliedSecret),
  },
  closed,
);

export type RobotBody = Static<typeof newRobot>;
export type RobotPatch = Static<typeof robotPatch>;
export type RobotRotation = Static<typeof robotRotation>;
