import { Type } from "typebox";

export const reservedName = Type.Object({
  name: Type.String(),
  namespace: Type.Union([Type.String(), Type.Null()], {
    description:
      "the namespace that had the name before and is still reached by it; null = reserved for nobody",
  }),
  createdAtMs: Type.Integer(),
});
export const reservedNameList = Type.Object({
  names: Type.Array(reservedName),
  next: Type.Union([Type.String(), Type.Null()], { description: "address of the next page, or null" }),
});
