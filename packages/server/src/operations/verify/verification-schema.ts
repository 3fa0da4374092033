import { type Static, Type } from "typebox";

/** The body of a request, and the payload of the job. */
export const verificationOrder = Type.Object(
  {
    repair: Type.Optional(
      Type.Boolean({
        description: "repair what can be, as `entrepot verify --repair` does; administrators only",
      }),
    ),
    quick: Type.Optional(
      Type.Boolean({ description: "do not read blobs: only whether they are there with their size" }),
    ),
    parallel: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 64, description: "blobs that are read at once; 2 when absent" }),
    ),
    megabytesPerSecond: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000, description: "read at most so much a second" }),
    ),
  },
  { additionalProperties: false },
);
export type VerificationOrder = Static<typeof verificationOrder>;

export const verificationReply = Type.Object({
  jobId: Type.Integer({
    description: "`/api/v1/jobs/{id}` says how far it is, and in `result` what it found",
  }),
});
