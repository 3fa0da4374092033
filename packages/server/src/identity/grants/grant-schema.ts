import { type Static, Type } from "typebox";
import { roles } from "../../access/roles.ts";
import { nullable } from "../schema-words.ts";

const closed = { additionalProperties: false };
const role = Type.Union(
  roles.map((name) => Type.Literal(name)),
  { description: "read: pull; write: also push and delete; admin: also change settings and grants" },
);
const expiresAtMs = nullable(Type.Integer({ minimum: 0 }));
const username = Type.String({
  minLength: 1,
  maxLength: 400,
  description: "a person, or a robot such as acme+ci",
});
const team = Type.String({ minLength: 1, maxLength: 64 });

const how = {
  role,
  expiresAtMs,
  createdAtMs: Type.Integer(),
  createdBy: nullable(Type.String()),
};
const toAccount = Type.Object({ username: Type.String(), ...how });
export const grantsOnRepository = Type.Object({
  users: Type.Array(toAccount),
  robots: Type.Array(toAccount),
  teams: Type.Array(Type.Object({ team: Type.String(), ...how })),
});
export const grantBody = Type.Object({ role, expiresAtMs: Type.Optional(expiresAtMs) }, closed);
export const grantToUser = Type.Object({ username: Type.String(), role, expiresAtMs });
export const grantToTeam = Type.Object({ team: Type.String(), role, expiresAtMs });

const named = {
  username: nullable(Type.String()),
  team: nullable(Type.String()),
};
export const namespaceGrant = Type.Object({
  id: Type.Integer(),
  pattern: nullable(Type.String()),
  repository: nullable(Type.String()),
  ...named,
  ...how,
});
export const namespaceGrantList = Type.Object({
  grants: Type.Array(namespaceGrant),
  next: nullable(Type.String()),
});
export const pathGrantBody = Type.Object(
  {
    pattern: Type.String({
      minLength: 1,
      maxLength: 255,
      description: "acme/app, acme/app-*, or acme/app/** for everything below acme/app",
    }),
    username: Type.Optional(username),
    team: Type.Optional(team),
    role,
    expiresAtMs: Type.Optional(expiresAtMs),
  },
  closed,
);
export const pathGrantReply = Type.Object({ pattern: Type.String(), ...named, role, expiresAtMs });

export const collaboratorList = Type.Object({
  collaborators: Type.Array(
    Type.Object({ username: Type.String(), kind: Type.String(), grants: Type.Integer() }),
  ),
  next: nullable(Type.String()),
});

export const defaultGrantReply = Type.Object({
  id: Type.Integer(),
  creator: nullable(Type.String({ description: "only for repositories that this one creates" })),
  ...named,
  role,
  createdAtMs: Type.Integer(),
});
export const defaultGrantList = Type.Object({ defaultGrants: Type.Array(defaultGrantReply) });
export const newDefaultGrant = Type.Object(
  {
    creator: Type.Optional(username),
    username: Type.Optional(username),
    team: Type.Optional(team),
    role,
  },
  closed,
);
export const defaultGrantPatch = Type.Object({ role }, closed);

export type GrantBody = Static<typeof grantBody>;
export type PathGrantBody = Static<typeof pathGrantBody>;
export type DefaultGrantBody = Static<typeof newDefaultGrant>;
export type DefaultGrantPatch = Static<typeof defaultGrantPatch>;
