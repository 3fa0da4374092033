import { Type } from "typebox";

const status = Type.Union([
  Type.Literal("ok"),
  Type.Literal("degraded"),
  Type.Literal("failing"),
  Type.Literal("draining"),
]);
const part = { name: Type.String(), ok: Type.Boolean() };
const code = Type.Optional(Type.String());
const sentence = (description: string) => Type.Optional(Type.String({ description }));

/** For anybody: which part fails, in words that are always the same. */
export const healthReply = Type.Object({
  status,
  parts: Type.Array(
    Type.Object({ ...part, code, error: sentence("What fails, always in the same words for a code.") }),
  ),
});

const wholeHealth = Type.Object({
  status,
  parts: Type.Array(
    Type.Object({
      ...part,
      code,
      error: sentence("What was really said, with names of hosts and folders."),
    }),
  ),
});

/** For whoever runs the registry. */
export const detailedHealthReply = Type.Object({ instance: wholeHealth, endtoend: wholeHealth });
