import { type Static, Type } from "typebox";

const nullable = <T extends ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer>>(type: T) =>
  Type.Union([type, Type.Null()]);
const text = nullable(Type.String());
const integer = nullable(Type.Integer());
const json = Type.Unknown({ description: "JSON, null when there is none" });

export const entryReply = Type.Object({
  id: Type.Integer(),
  sequence: Type.Union([Type.Integer(), Type.Null()], {
    description: "place in the chain; null for the second until it is sealed",
  }),
  atMs: Type.Integer(),
  action: Type.String({ description: "team.create" }),
  outcome: Type.String({ description: "succeeded, denied or failed" }),
  actor: Type.String(),
  actorUserId: integer,
  credential: text,
  credentialId: integer,
  address: text,
  userAgent: text,
  requestId: text,
  namespace: text,
  repository: text,
  target: Type.String(),
  before: json,
  after: json,
  detail: json,
  elevations: Type.Array(Type.Integer()),
  hash: text,
});
export const entryList = Type.Object({ entries: Type.Array(entryReply), next: text });

const place = Type.Union([
  Type.Object({
    sequence: Type.Integer(),
    hash: Type.String(),
    atMs: Type.Integer(),
    signature: Type.String({ description: "Ed25519, base64url" }),
  }),
  Type.Null(),
]);
export const verificationReply = Type.Object({
  isIntact: Type.Boolean(),
  checked: Type.Integer(),
  problem: Type.Union([
    Type.Object({
      kind: Type.String({ description: "changed, removed, inserted, truncated or forged" }),
      sequence: Type.Integer(),
      message: Type.String(),
    }),
    Type.Null(),
  ]),
  next: Type.Union([Type.Integer(), Type.Null()], {
    description: "go on with ?after=; null when the end was reached",
  }),
  checkpoint: place,
  head: place,
  unsealed: Type.Integer(),
  publicKey: Type.String({ description: "PEM; verifies the signatures" }),
});

const closed = { additionalProperties: false };
const pem = Type.String({ maxLength: 65_536 });
const host = Type.String({ minLength: 1, maxLength: 253, pattern: "^[A-Za-z0-9._:-]+$" });

export const newForwarder = Type.Union([
  Type.Object(
    {
      kind: Type.Literal("syslog"),
      host,
      port: Type.Integer({ minimum: 1, maximum: 65_535 }),
      transport: Type.Optional(Type.Union([Type.Literal("tls"), Type.Literal("tcp")], { default: "tls" })),
      format: Type.Optional(Type.Union([Type.Literal("json"), Type.Literal("cef")], { default: "json" })),
      serverName: Type.Optional(host),
      certificateAuthority: Type.Optional(pem),
      clientCertificate: Type.Optional(pem),
      clientKey: Type.Optional(pem),
      isEnabled: Type.Optional(Type.Boolean()),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal("https"),
      url: Type.String({ minLength: 1, maxLength: 2_048 }),
      secret: Type.Optional(
        Type.String({ minLength: 16, maxLength: 256, description: "signs the posts; made when left out" }),
      ),
      isEnabled: Type.Optional(Type.Boolean()),
    },
    closed,
  ),
]);
export type NewForwarder = Static<typeof newForwarder>;

export const forwarderReply = Type.Object({
  name: Type.String(),
  kind: Type.String(),
  settings: Type.Record(Type.String(), Type.Unknown()),
  isEnabled: Type.Boolean(),
  sentSequence: Type.Integer(),
  waiting: Type.Integer({ description: "sealed entries that have not arrived" }),
  sentAtMs: integer,
  failures: Type.Integer(),
  nextAttemptAtMs: Type.Integer(),
  lastError: text,
  createdAtMs: Type.Integer(),
  createdBy: Type.String(),
});
export const savedForwarder = Type.Intersect([
  forwarderReply,
  Type.Object({ secret: Type.Optional(Type.String({ description: "shown here and never again" })) }),
]);
export const forwarderList = Type.Object({ forwarders: Type.Array(forwarderReply) });
