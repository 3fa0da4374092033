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
  heldUntilMs: Type.Union([Type.Integer(), Type.Null()], {
    description: "until when no bytes are removed from storage, because of a backup; null = no hold",
  }),
});

const maxHoldHours = 720;

export const holdRequest = Type.Object(
  { hours: Type.Integer({ minimum: 1, maximum: maxHoldHours, description: "from now" }) },
  { additionalProperties: false },
);
export type HoldRequest = Static<typeof holdRequest>;

export const holdReply = Type.Object({ heldUntilMs: Type.Integer() });

export const runRequest = Type.Object(
  { dryRun: Type.Boolean({ description: "true = only tell what a pass would find" }) },
  { additionalProperties: false },
);
export type RunRequest = Static<typeof runRequest>;
