import { type Static, Type } from "typebox";

const visibility = Type.Union([Type.Literal("private"), Type.Literal("public")], {
  description: "public = anyone may pull; private = only who was granted it",
});

export const repositoryReply = Type.Object({
  name: Type.String(),
  visibility,
  createdAtMs: Type.Integer(),
});

export const repositoryList = Type.Object({
  repositories: Type.Array(repositoryReply),
  next: Type.Union([Type.String(), Type.Null()], { description: "address of the next page, or null" }),
});

export const repositoryPatch = Type.Object({ visibility }, { additionalProperties: false });
export type RepositoryPatch = Static<typeof repositoryPatch>;
