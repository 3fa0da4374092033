import { type Static, Type } from "typebox";

const count = Type.Integer({ minimum: 0 });

export const strayReply = Type.Object({
  uploads: Type.Integer({ minimum: 0, description: "uploads and unfinished multipart uploads" }),
  blobs: Type.Integer({ minimum: 0, description: "bytes in their place that no blob names" }),
  bytes: count,
  examples: Type.Array(Type.String(), { description: "the first of them" }),
});

export const strayRequest = Type.Object(
  { dryRun: Type.Boolean({ description: "true = only tell what would be removed" }) },
  { additionalProperties: false },
);
export type StrayRequest = Static<typeof strayRequest>;
