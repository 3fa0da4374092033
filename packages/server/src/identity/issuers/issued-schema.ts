import { type Static, Type } from "typebox";
import {
  credentialScopes,
  freshSecret,
  networks,
  rotation,
  suppliedSecret,
  time,
  useLimits,
  useLimitsReply,
} from "../access-tokens/access-token-schema.ts";
import { line, nullable, text } from "../schema-words.ts";

const closed = { additionalProperties: false };
const timeOrNull = nullable(Type.Integer());

const labels = Type.Record(Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$" }), line(200, 0), {
  maxProperties: 32,
  additionalProperties: false,
  description: "short words that credentials are found by",
});
const metadata = Type.Record(Type.String(), Type.Unknown(), {
  description: "any JSON about the holder, at most 16 KiB",
});

export const newIssuedCredential = Type.Object(
  {
    externalId: Type.Optional(line(200)),
    name: Type.Optional(
      Type.String({
        pattern: "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
        description: "the last part of the account's name; absent = one is made",
      }),
    ),
    description: Type.Optional(text(1_000)),
    metadata: Type.Optional(metadata),
    labels: Type.Optional(labels),
    scopes: Type.Optional(credentialScopes),
    networks: Type.Optional(networks),
    notBeforeMs: Type.Optional(time),
    expiresAtMs: Type.Optional(time),
    ...useLimits,
    secret: Type.Optional(suppliedSecret),
  },
  closed,
);
export const issuedPatch = Type.Object(
  {
    description: Type.Optional(text(1_000)),
    metadata: Type.Optional(metadata),
    labels: Type.Optional(labels),
    isDisabled: Type.Optional(Type.Boolean()),
    scopes: Type.Optional(credentialScopes),
    networks: Type.Optional(nullable(networks)),
    notBeforeMs: Type.Optional(nullable(time)),
    expiresAtMs: Type.Optional(nullable(time)),
    ...useLimits,
  },
  closed,
);
export const issuedRotation = Type.Object(
  { ...rotation.properties, secret: Type.Optional(suppliedSecret) },
  closed,
);
export const issuedReply = Type.Object({
  id: Type.String(),
  username: Type.String({ description: "what its holder signs in as" }),
  externalId: nullable(Type.String()),
  description: Type.String(),
  metadata,
  labels,
  isDisabled: Type.Boolean(),
  scopes: credentialScopes,
  networks: nullable(networks),
  createdAtMs: Type.Integer(),
  notBeforeMs: timeOrNull,
  expiresAtMs: timeOrNull,
  lastUsedAtMs: timeOrNull,
  lastUsedAddress: nullable(Type.String()),
  ...useLimitsReply,
  secrets: Type.Optional(
    Type.Array(Type.Object({ id: Type.Integer(), createdAtMs: Type.Integer(), expiresAtMs: timeOrNull })),
  ),
});
export const issuedList = Type.Object({
  credentials: Type.Array(issuedReply),
  next: nullable(Type.String()),
});
/** The secret and its files are there when the credential has just been made. */
export const createdIssued = Type.Object({
  credential: issuedReply,
  ...Type.Partial(Type.Object(freshSecret)).properties,
});
export const revokedByLabel = Type.Object({ revoked: Type.Integer() });

export type NewIssuedCredential = Static<typeof newIssuedCredential>;
export type IssuedPatch = Static<typeof issuedPatch>;
export type IssuedRotation = Static<typeof issuedRotation>;
