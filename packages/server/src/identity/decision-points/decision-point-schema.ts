import { type Static, Type } from "typebox";
import { repositoryStates } from "../../access/actions.ts";

const closed = { additionalProperties: false };
const settings = {
  pattern: Type.String({
    minLength: 1,
    maxLength: 255,
    description: "the repositories it decides about: acme/**, syn*/**",
  }),
  url: Type.String({
    minLength: 1,
    maxLength: 2_000,
    description: "where it is asked; https, but on this machine",
  }),
  secret: Type.String({
    minLength: 32,
    maxLength: 256,
    pattern: "^[\\x21-\\x7e]+$",
    description: "signs questions, answers and notices; absent when it is made = one is generated",
  }),
  timeoutMs: Type.Integer({ minimum: 100, maximum: 30_000, description: "from question to answer; 2000" }),
  serveStaleSeconds: Type.Integer({
    minimum: 0,
    maximum: 86_400,
    description: "how long an answer that has ended may stand in when none can be had; 0",
  }),
  maxConcurrent: Type.Integer({
    minimum: 1,
    maximum: 1_000,
    description: "questions at once for each process; 50",
  }),
  allowsAnonymous: Type.Boolean({ description: "ask what nobody in particular may; false = nothing" }),
  answersLogin: Type.Boolean({
    description:
      "ask about credentials that are shown without naming a repository, as docker login does; true",
  }),
};
const name = Type.String({ minLength: 1, maxLength: 64, pattern: "^[a-z0-9]+([-.][a-z0-9]+)*$" });

export const newDecisionPoint = Type.Object(
  { ...Type.Partial(Type.Object(settings)).properties, name, pattern: settings.pattern, url: settings.url },
  closed,
);
export const decisionPointPatch = Type.Partial(Type.Object(settings), closed);
const { secret: _, ...shown } = settings;
export const decisionPointReply = Type.Object({
  name,
  ...shown,
  createdAtMs: Type.Integer(),
  createdBy: Type.String(),
});
export const createdDecisionPoint = Type.Object({
  decisionPoint: decisionPointReply,
  secret: Type.String({ description: "shown this once" }),
});
export const decisionPointList = Type.Object({ decisionPoints: Type.Array(decisionPointReply) });

const subject = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 100, description });
export const invalidation = Type.Object(
  {
    all: Type.Optional(Type.Boolean({ description: "every answer" })),
    principals: Type.Optional(subject("answers about these")),
    repositories: Type.Optional(subject("answers about these")),
    cacheKeys: Type.Optional(subject("answers that came with these")),
  },
  closed,
);
export const stateNotice = Type.Object(
  {
    repository: Type.String({ minLength: 1, maxLength: 255 }),
    state: Type.Union(repositoryStates.map((state) => Type.Literal(state))),
  },
  closed,
);

export type NewDecisionPointBody = Static<typeof newDecisionPoint>;
export type DecisionPointPatch = Static<typeof decisionPointPatch>;
export type InvalidationBody = Static<typeof invalidation>;
export type StateNotice = Static<typeof stateNotice>;
