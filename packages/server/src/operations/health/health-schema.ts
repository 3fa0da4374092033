import { Type } from "typebox";

export const healthReply = Type.Object({
  status: Type.Union([
    Type.Literal("ok"),
    Type.Literal("degraded"),
    Type.Literal("failing"),
    Type.Literal("draining"),
  ]),
  parts: Type.Array(
    Type.Object({ name: Type.String(), ok: Type.Boolean(), error: Type.Optional(Type.String()) }),
  ),
});
