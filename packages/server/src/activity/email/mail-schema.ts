import { type Static, Type } from "typebox";
import { mailStates } from "./mail-store.ts";

const closed = { additionalProperties: false };
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()]);

export const mailReply = Type.Object({
  id: Type.Integer(),
  to: Type.String(),
  kind: Type.String(),
  state: Type.Union(mailStates.map((state) => Type.Literal(state))),
  attempts: Type.Integer({ minimum: 0 }),
  createdAtMs: Type.Integer(),
  nextAttemptAtMs: orNull(Type.Integer()),
  sentAtMs: orNull(Type.Integer()),
  lastError: orNull(Type.String()),
});

export const mailList = Type.Object({
  delivery: Type.Object({
    isConfigured: Type.Boolean({
      description: "false = mails stay queued until a mail server is configured",
    }),
    server: orNull(Type.String()),
    from: orNull(Type.String()),
    note: Type.String({ description: "what becomes of queued mails, for a person" }),
  }),
  counts: Type.Object({ queued: Type.Integer(), sent: Type.Integer(), dead: Type.Integer() }),
  mails: Type.Array(mailReply),
  next: orNull(Type.String()),
});

export const testRequest = Type.Object(
  { to: Type.String({ minLength: 3, maxLength: 254, description: "the address to write to" }) },
  closed,
);
export type TestRequest = Static<typeof testRequest>;

export const testReply = Type.Object({
  isSent: Type.Boolean(),
  detail: Type.String({ description: "what the mail server answered, or why it could not be asked" }),
});
