import { type Static, Type } from "typebox";
import { teamRoles } from "../../access/rights-store.ts";
import { nullable, text } from "../schema-words.ts";

const closed = { additionalProperties: false };
const role = Type.Union(
  teamRoles.map((name) => Type.Literal(name)),
  {
    description:
      "member: what is granted to the team; creator: also create repositories, and administer those; admin: everything in the organization",
  },
);
const name = Type.String({ minLength: 1, maxLength: 64 });

export const teamReply = Type.Object({
  name: Type.String(),
  role,
  description: Type.String(),
  createdAtMs: Type.Integer(),
});
export const teamList = Type.Object({ teams: Type.Array(teamReply), next: nullable(Type.String()) });
export const newTeam = Type.Object(
  { name, role: Type.Optional(role), description: Type.Optional(text(1_000)) },
  closed,
);
export const teamPatch = Type.Object(
  { name: Type.Optional(name), role: Type.Optional(role), description: Type.Optional(text(1_000)) },
  closed,
);

export const memberReply = Type.Object({
  username: Type.String(),
  kind: Type.String({ description: "person or robot" }),
  origin: Type.Union([Type.Literal("manual"), Type.Literal("sync")], {
    description: "sync: a directory says so",
  }),
  addedAtMs: Type.Integer(),
});
export const memberList = Type.Object({ members: Type.Array(memberReply), next: nullable(Type.String()) });

export type TeamBody = Static<typeof newTeam>;
export type TeamPatch = Static<typeof teamPatch>;
