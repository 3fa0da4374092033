import { type Static, Type } from "typebox";
import { visibilities } from "../../access/actions.ts";
import { emailAddress, line, nullable, text } from "../schema-words.ts";

const closed = { additionalProperties: false };
const visibility = Type.Union(visibilities.map((name) => Type.Literal(name)));

export const namespaceReply = Type.Object({
  name: Type.String(),
  kind: Type.Union([Type.Literal("organization"), Type.Literal("user")]),
  displayName: nullable(Type.String()),
  description: Type.String(),
  email: nullable(Type.String()),
  defaultVisibility: visibility,
  createOnPush: Type.Boolean({ description: "whether the first push creates a repository" }),
  createdAtMs: Type.Integer(),
});
export const organizationList = Type.Object({
  organizations: Type.Array(namespaceReply),
  next: nullable(Type.String()),
});

const settings = {
  description: Type.Optional(text(1_000)),
  defaultVisibility: Type.Optional(visibility),
  createOnPush: Type.Optional(Type.Boolean()),
};
export const newOrganization = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 255 }),
    displayName: Type.Optional(line(100)),
    email: Type.Optional(emailAddress),
    ...settings,
  },
  closed,
);
export const organizationPatch = Type.Object(
  {
    displayName: Type.Optional(nullable(line(100))),
    email: Type.Optional(nullable(emailAddress)),
    ...settings,
  },
  closed,
);

export type OrganizationBody = Static<typeof newOrganization>;
export type OrganizationPatch = Static<typeof organizationPatch>;
