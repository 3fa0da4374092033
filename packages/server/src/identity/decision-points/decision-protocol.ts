import { type RepositoryAction, repositoryActions } from "../../access/actions.ts";

/** The words that a decision point and the registry speak; docs/reference/decision-point.md is written for those on the other side. */
export type Question =
  | {
      readonly intent: "login";
      readonly credential:
        | { readonly kind: "basic"; readonly username: string; readonly password: string }
        | { readonly kind: "token"; readonly token: string };
      readonly client: { readonly ip: string; readonly userAgent: string | null };
    }
  | {
      readonly intent: "authorize";
      /** Null = nobody in particular. */
      readonly principal: string | null;
      readonly repositories: readonly {
        readonly name: string;
        readonly actions: readonly RepositoryAction[];
      }[];
    }
  | { readonly intent: "create"; readonly principal: string | null; readonly repository: string };

export interface Terms {
  /** How long the answer holds, from the question on; 0 = for this once. */
  readonly ttlSeconds: number;
  /** A word by which answers can be taken back together. */
  readonly cacheKey: string | undefined;
}

export type LoginAnswer = Terms & {
  /** Undefined = the credential is no good. */
  readonly principal: { readonly id: string; readonly name: string } | undefined;
};
export type AuthorizeAnswer = Terms & {
  /** Never more than was asked for. */
  readonly granted: ReadonlyMap<string, readonly RepositoryAction[]>;
};
export type CreateAnswer = Terms & { readonly allowed: boolean };

export interface Answers {
  readonly login: LoginAnswer;
  readonly authorize: AuthorizeAnswer;
  readonly create: CreateAnswer;
}

export const protocolName = "entrepot-decision/1";
/** Repositories in one question. */
export const maxBatch = 100;
const maxTtlSeconds = 86_400;
const maxGranted = 10_000;

/** The body of a question; `id` comes back in the answer. */
export function formatQuestion(id: string, point: string, question: Question): string {
  return JSON.stringify({ protocol: protocolName, id, point, ...question });
}

/** An answer to the question, or what is wrong with it. Fields that nobody knows are passed over. */
export function parseAnswer<Q extends Question>(
  id: string,
  question: Q,
  text: string,
): Answers[Q["intent"]] | { readonly problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: "it is not JSON" };
  }
  if (!isRecord(value)) return { problem: "it is no object" };
  if (value["id"] !== id) return { problem: "`id` is not that of the question" };
  const terms = termsOf(value);
  if ("problem" in terms) return terms;
  // as: `bodyOf` answers by the question's intent
  return bodyOf(question, value, terms) as Answers[Q["intent"]] | { readonly problem: string };
}

function termsOf(value: Readonly<Record<string, unknown>>): Terms | { readonly problem: string } {
  const { ttlSeconds, cacheKey } = value;
  const isNumber = typeof ttlSeconds === "number" && ttlSeconds >= 0 && ttlSeconds <= maxTtlSeconds;
  if (!isNumber) return { problem: `\`ttlSeconds\` is no number from 0 to ${maxTtlSeconds}` };
  if (cacheKey === undefined || cacheKey === null) return { ttlSeconds, cacheKey: undefined };
  return isText(cacheKey, 255)
    ? { ttlSeconds, cacheKey }
    : { problem: "`cacheKey` is no text of at most 255 characters" };
}

function bodyOf(
  question: Question,
  value: Readonly<Record<string, unknown>>,
  terms: Terms,
): Answers[keyof Answers] | { readonly problem: string } {
  if (question.intent === "authorize") return readGranted(question.repositories, value["granted"], terms);
  const { allowed } = value;
  if (typeof allowed !== "boolean") return { problem: "`allowed` is neither true nor false" };
  if (question.intent === "create") return { ...terms, allowed };
  if (!allowed) return { ...terms, principal: undefined };
  const principal = value["principal"];
  const hasNames = isRecord(principal) && isText(principal["id"], 255) && isText(principal["name"], 200);
  if (!hasNames) return { problem: "`principal` lacks an `id` or a `name`, or they are not printable" };
  // as: `isText` saw both
  return { ...terms, principal: { id: principal["id"] as string, name: principal["name"] as string } };
}

function readGranted(
  asked: Extract<Question, { intent: "authorize" }>["repositories"],
  granted: unknown,
  terms: Terms,
): AuthorizeAnswer | { readonly problem: string } {
  if (!Array.isArray(granted) || granted.length > maxGranted) return { problem: "`granted` is no list" };
  const found = new Map<string, readonly RepositoryAction[]>();
  for (const entry of granted) {
    if (!isRecord(entry) || typeof entry["name"] !== "string" || !Array.isArray(entry["actions"])) {
      return { problem: "an entry of `granted` lacks `name` or `actions`" };
    }
    const { name, actions } = entry;
    const wanted = asked.find((one) => one.name === name)?.actions ?? [];
    // What was not asked for is not had.
    found.set(
      name,
      repositoryActions.filter((action) => wanted.includes(action) && actions.includes(action)),
    );
  }
  return { ...terms, granted: found };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Names end up in logs, history and audit: nothing that moves a cursor or hides. */
function isText(value: unknown, maxLength: number): value is string {
  return (
    typeof value === "string" &&
    value.length >= 1 &&
    value.length <= maxLength &&
    /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(value)
  );
}
