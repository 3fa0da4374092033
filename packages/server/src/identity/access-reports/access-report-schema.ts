import { Type } from "typebox";
import { repositoryActions } from "../../access/actions.ts";
import { roles } from "../../access/roles.ts";

const orNull = (text: string) => Type.Union([Type.String(), Type.Null()], { description: text });

const grant = Type.Object({
  id: Type.Integer(),
  username: orNull("whom it is for; null = a team"),
  team: orNull("null = a user"),
  place: Type.String({ description: "the repository, or a pattern of repositories" }),
  role: Type.Union(roles.map((role) => Type.Literal(role))),
  expiresAtMs: Type.Union([Type.Integer(), Type.Null()]),
  isElevation: Type.Boolean({ description: "holds for the time of an elevation only" }),
});

export const accessList = Type.Object({
  grants: Type.Array(grant),
  next: Type.Union([Type.String(), Type.Null()], { description: "address of the next page, or null" }),
});

export const accessExplanation = Type.Object({
  username: Type.String(),
  repository: Type.String(),
  exists: Type.Boolean(),
  actions: Type.Array(
    Type.Object({
      action: Type.Union(repositoryActions.map((action) => Type.Literal(action))),
      isAllowed: Type.Boolean(),
      because: Type.Array(
        Type.Object({
          by: Type.String({
            description:
              "administrator, owner, team-role, grant, visibility, open-registry, or authority: somebody outside",
          }),
          grant: Type.Union([grant, Type.Null()]),
          sentence: Type.String(),
        }),
      ),
      whyNot: Type.Array(Type.String()),
    }),
  ),
});
