import { type Static, Type } from "typebox";
import { repositoryStates, visibilities } from "../../access/actions.ts";

const visibility = Type.Union(
  visibilities.map((each) => Type.Literal(each)),
  {
    description:
      "public = anyone may pull; internal = every person and robot that signs in; private = only who was granted it",
  },
);
const state = Type.Union(
  repositoryStates.map((each) => Type.Literal(each)),
  { description: "frozen = can be pulled and not changed; hidden = as if it were not there" },
);
const description = Type.String({
  maxLength: 10_000,
  // No NUL, which PostgreSQL cannot store.
  pattern: "^[^\\u0000]*$",
  description: "for people, in any form",
});

export const repositoryReply = Type.Object({
  name: Type.String(),
  visibility,
  state,
  description,
  createdAtMs: Type.Integer(),
});

export const repositoryList = Type.Object({
  repositories: Type.Array(repositoryReply),
  next: Type.Union([Type.String(), Type.Null()], { description: "address of the next page, or null" }),
});

export const newRepository = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 255, description: "the whole name: acme/app" }),
    visibility: Type.Optional(visibility),
    description: Type.Optional(description),
  },
  { additionalProperties: false },
);

export const repositoryPatch = Type.Object(
  {
    visibility: Type.Optional(visibility),
    state: Type.Optional(state),
    description: Type.Optional(description),
  },
  { additionalProperties: false },
);

export type NewRepositoryBody = Static<typeof newRepository>;
export type RepositoryPatch = Static<typeof repositoryPatch>;
