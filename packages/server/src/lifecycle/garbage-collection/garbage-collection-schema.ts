import { type Static, Type } from "typebox";

const count = Type.Integer({ minimum: 0 });

export const passReply = Type.Object({
  manifests: count,
  links: Type.Integer({ minimum: 0, description: "blobs taken out of a repository" }),
  blobs: count,
  bytes: Type.Integer({ minimum: 0, description: "bytes removed from the blob store" }),
  startedAtMs: Type.Integer(),
  durationMs: count,
});

export const garbageReply = Type.Object({
  candidates: Type.Object({
    manifests: count,
    links: count,
    blobs: count,
    blobBytes: count,
    pendingDeletions: count,
    pendingDeletionBytes: count,
  }),
  lastPass: Type.Union([passReply, Type.Null()]),
});

export const runRequest = Type.Object(
  { dryRun: Type.Boolean({ description: "true = only tell what a pass would find" }) },
  { additionalProperties: false },
);
export type RunRequest = Static<typeof runRequest>;
