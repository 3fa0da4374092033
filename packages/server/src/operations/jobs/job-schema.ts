import { type Static, Type } from "typebox";

const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()]);
const count = Type.Integer({ minimum: 0 });

export const jobReply = Type.Object({
  id: Type.Integer(),
  kind: Type.String(),
  state: Type.Union(
    (["waiting", "queued", "running", "done", "failed", "cancelled"] as const).map((state) =>
      Type.Literal(state),
    ),
    { description: "`waiting` for its time, `queued` for an instance, `failed` for good: a dead letter" },
  ),
  namespace: orNull(Type.String({ description: "whose work it is; null = the registry's own" })),
  priority: Type.Integer(),
  payload: Type.Unknown(),
  uniqueKey: orNull(Type.String()),
  attempts: count,
  maxAttempts: count,
  isCancelWanted: Type.Boolean(),
  progress: Type.Object({ done: Type.Integer(), total: orNull(Type.Integer()), note: orNull(Type.String()) }),
  result: Type.Unknown({ description: "what it says about what it did; null = nothing" }),
  error: orNull(Type.String({ description: "why the last attempt failed" })),
  instance: orNull(Type.String({ description: "who runs it" })),
  slotMs: orNull(Type.Integer({ description: "the due time of the schedule that it is the run of" })),
  createdBy: Type.String(),
  createdAtMs: Type.Integer(),
  runAtMs: Type.Integer({ description: "not before" }),
  startedAtMs: orNull(Type.Integer()),
  finishedAtMs: orNull(Type.Integer()),
});

export const jobList = Type.Object({ jobs: Type.Array(jobReply), next: orNull(Type.String()) });

export const kindReply = Type.Object({
  name: Type.String(),
  summary: orNull(Type.String({ description: "null = this version of the program does not know the kind" })),
  isPaused: Type.Boolean(),
  concurrency: orNull(Type.Integer({ description: "so many at once, on all instances together" })),
  schedule: orNull(Type.String()),
  nextSlotMs: orNull(Type.Integer()),
  counts: Type.Object({ waiting: count, queued: count, running: count, failed: count }),
  oldestDueMs: orNull(Type.Integer()),
});

export const kindList = Type.Object({ kinds: Type.Array(kindReply) });

export const kindChange = Type.Object({ isPaused: Type.Boolean() }, { additionalProperties: false });
export type KindChange = Static<typeof kindChange>;
