import { type Static, Type } from "typebox";

const optional = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);
const count = Type.Integer({ minimum: 0 });
const timeMs = Type.Integer();

const region = Type.Object({
  name: Type.String(),
  isOwn: Type.Boolean({ description: "of the instance that answers" }),
  isConfigured: Type.Boolean(),
  isCopiedToByDefault: Type.Boolean(),
  isRetiring: Type.Boolean({
    description: "nothing new goes there, and what lies there moves to the others",
  }),
  ok: Type.Boolean({ description: "as the instance that answers sees it" }),
  error: optional(Type.String()),
  failingSinceMs: optional(timeMs),
  blobs: count,
  bytes: count,
  missing: Type.Object({
    blobs: count,
    bytes: count,
    oldestSinceMs: optional(timeMs),
    failing: Type.Integer({ minimum: 0, description: "of which an attempt to copy them has failed" }),
  }),
  onlyHereBlobs: Type.Integer({ minimum: 0, description: "of which no other region has a copy yet" }),
  uploads: Type.Integer({ minimum: 0, description: "which go on there" }),
  countedAtMs: optional(
    Type.Integer({
      description:
        "as of when `blobs`, `bytes` and `onlyHereBlobs` are: now while there are few blobs, else when all were last looked at; null = not yet",
    }),
  ),
  surplusBlobs: Type.Integer({ minimum: 0, description: "which may not lie there and are to be removed" }),
  owedDeletions: Type.Integer({ minimum: 0, description: "which could not be made while it was away" }),
});

export const regionList = Type.Object({ regions: Type.Array(region) });

export const blobRegions = Type.Object({
  digest: Type.String(),
  sizeBytes: count,
  home: optional(
    Type.String({ description: "where its bytes were pushed; null = before there were regions" }),
  ),
  regions: Type.Array(
    Type.Object({
      region: Type.String(),
      state: Type.Union([Type.Literal("waiting"), Type.Literal("placed"), Type.Literal("surplus")]),
      sinceMs: timeMs,
      failedAttempts: count,
      nextAttemptMs: optional(timeMs),
      error: optional(Type.String()),
    }),
  ),
});

const namesOr = (description: string) =>
  Type.Union([Type.Array(Type.String({ maxLength: 23 }), { maxItems: 50, uniqueItems: true }), Type.Null()], {
    description,
  });

export const placement = Type.Object(
  {
    allowed: namesOr("the only regions in which content may lie; null = every region"),
    copies: namesOr("the regions that it is copied to; null = those that are copied to by default"),
  },
  { additionalProperties: false },
);
export type PlacementBody = Static<typeof placement>;
