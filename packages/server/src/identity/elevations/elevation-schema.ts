import { type Static, Type } from "typebox";
import { roles } from "../../access/roles.ts";
import { emailAddress, line, nullable } from "../schema-words.ts";

const closed = { additionalProperties: false };
const integer = nullable(Type.Integer());
const text = nullable(Type.String());

const grant = Type.Object(
  {
    pattern: Type.String({ minLength: 1, maxLength: 255, description: "acme/app, or acme/app/**" }),
    role: Type.Union(roles.map((name) => Type.Literal(name))),
  },
  closed,
);
const member = Type.Union([
  Type.Object({ username: Type.String({ minLength: 1, maxLength: 128 }) }, closed),
  Type.Object(
    { team: Type.String({ minLength: 1, maxLength: 128, description: "release, or acme/release" }) },
    closed,
  ),
]);

export const roleBody = Type.Object(
  {
    description: Type.Optional(line(500, 0)),
    isAdministrator: Type.Optional(
      Type.Boolean({ description: "its holder administers the registry; not in a namespace" }),
    ),
    grants: Type.Optional(Type.Array(grant, { maxItems: 100 })),
    assumableBy: Type.Array(member, { minItems: 1, maxItems: 100 }),
    approvers: Type.Optional(
      Type.Array(member, { maxItems: 100, description: "beside those who administer the place" }),
    ),
    maxDurationSeconds: Type.Integer({ minimum: 60, maximum: 604_800 }),
    requiresApproval: Type.Optional(Type.Boolean()),
    alert: Type.Optional(
      Type.Object(
        {
          mail: Type.Optional(Type.Array(emailAddress, { maxItems: 20 })),
          webhookUrl: Type.Optional(Type.String({ maxLength: 2_048, description: "https" })),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type RoleBody = Static<typeof roleBody>;

export const roleReply = Type.Object({
  name: Type.String(),
  namespace: text,
  reference: Type.String({ description: "how to ask for it: acme/release" }),
  description: Type.String(),
  isAdministrator: Type.Boolean(),
  grants: Type.Array(grant),
  assumableBy: Type.Array(member),
  approvers: Type.Array(member),
  maxDurationSeconds: Type.Integer(),
  requiresApproval: Type.Boolean(),
  alert: Type.Object({ mail: Type.Array(Type.String()), webhookUrl: text }),
  createdAtMs: Type.Integer(),
  createdBy: Type.String(),
  alertSecret: Type.Optional(
    Type.String({ description: "signs what is posted to the webhook; told once, when it is made" }),
  ),
});
export const roleList = Type.Object({ roles: Type.Array(roleReply) });
export const assumableRole = Type.Object({
  reference: Type.String(),
  description: Type.String(),
  isAdministrator: Type.Boolean(),
  grants: Type.Array(grant),
  maxDurationSeconds: Type.Integer(),
  requiresApproval: Type.Boolean(),
});
export const assumableList = Type.Object({ roles: Type.Array(assumableRole) });

export const newElevation = Type.Object(
  {
    role: Type.String({ minLength: 1, maxLength: 128 }),
    reason: line(500, 10),
    durationSeconds: Type.Integer({ minimum: 60, maximum: 604_800 }),
  },
  closed,
);
export type NewElevation = Static<typeof newElevation>;

export const decisionBody = Type.Object({ reason: Type.Optional(line(500, 0)) }, closed);
export type DecisionBody = Static<typeof decisionBody>;

export const elevationReply = Type.Object({
  id: Type.Integer(),
  role: Type.String(),
  username: Type.String(),
  state: Type.String({ description: "pending, active, refused, ended or expired" }),
  reason: Type.String(),
  durationSeconds: Type.Integer(),
  isAdministrator: Type.Boolean(),
  requestedAtMs: Type.Integer(),
  expiresAtMs: Type.Integer(),
  decidedAtMs: integer,
  decidedBy: text,
  decisionReason: text,
  endedAtMs: integer,
  endedBy: text,
});
export const elevationList = Type.Object({ elevations: Type.Array(elevationReply), next: text });
