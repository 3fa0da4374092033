import { type Static, Type } from "typebox";

export const renameRepositoryBody = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 255, description: "the whole new name" }) },
  { additionalProperties: false },
);
export const renameNamespaceBody = Type.Object(
  { name: Type.String({ minLength: 2, maxLength: 255 }) },
  { additionalProperties: false },
);
export const renamedNamespace = Type.Object({ name: Type.String(), before: Type.String() });

export type RenameBody = Static<typeof renameRepositoryBody>;
