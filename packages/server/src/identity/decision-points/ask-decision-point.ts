import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { newUuid } from "../../lib/ids.ts";
import type { Log } from "../../lib/log.ts";
import type { OutgoingHttp } from "../../lib/outgoing-http.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import { createSemaphore, type Semaphore } from "../../lib/semaphore.ts";
import { type CircuitBreaker, createCircuitBreaker } from "./circuit-breaker.ts";
import type { DecisionPoint } from "./decision-point-store.ts";
import { type Answers, formatQuestion, parseAnswer, type Question } from "./decision-protocol.ts";
import { isSignedBy, signatureHeader, signMessage } from "./sign-message.ts";

export interface AskDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly outgoing: OutgoingHttp;
  readonly secretBox: SecretBox;
  readonly observe: (asked: Asked) => void;
}

/** What became of one question; `refused` = it was not even asked. */
export interface Asked {
  readonly point: string;
  readonly intent: Question["intent"];
  readonly outcome: "answered" | "failed" | "refused";
  readonly durationMs: number;
}

export type AskDecisionPoint = <Q extends Question>(
  point: DecisionPoint,
  question: Q,
) => Promise<Answers[Q["intent"]]>;

const maxAnswerBytes = 1_048_576;
const maxLines = 10_000;

/**
 * Asks one question over HTTP and gives an answer that is signed and of its form; else `UNAVAILABLE`, within the point's deadline: when the callback
 * is slow, fails, says nonsense, or has failed so often that it is left alone for a while. `OVERLOADED` when too many ask it already. Nothing is repeated:
 * whoever pushes or pulls tries again.
 */
export function createAskDecisionPoint(deps: AskDeps): AskDecisionPoint {
  const lines = new Map<string, { readonly breaker: CircuitBreaker; readonly turns: Semaphore }>();

  /** By intent, so that credentials that make a callback fail stop sign-ins at most. */
  function lineOf(point: DecisionPoint, intent: Question["intent"]) {
    const key = `${point.id} ${point.revision} ${intent}`;
    let line = lines.get(key);
    if (line === undefined) {
      if (lines.size >= maxLines) lines.clear();
      const { maxConcurrent } = point;
      line = {
        breaker: createCircuitBreaker(deps.clock),
        turns: createSemaphore(maxConcurrent, maxConcurrent),
      };
      lines.set(key, line);
    }
    return line;
  }

  return async (point, question) => {
    const { breaker, turns } = lineOf(point, question.intent);
    const startedAtMs = deps.clock.nowMs();
    const note = (outcome: Asked["outcome"]) =>
      deps.observe({
        point: point.name,
        intent: question.intent,
        outcome,
        durationMs: deps.clock.nowMs() - startedAtMs,
      });
    return turns.run(async () => {
      const remainingMs = point.timeoutMs - (deps.clock.nowMs() - startedAtMs);
      if (remainingMs <= 0 || !breaker.enter()) {
        note("refused");
        throw unavailable(point);
      }
      try {
        const answer = await send(deps, point, question, remainingMs);
        breaker.succeeded();
        note("answered");
        return answer;
      } catch (error) {
        breaker.failed();
        note("failed");
        // Not the error's own text alone: it says which point, and an operator looks for that.
        const why = error instanceof AppError ? error.message : String(error);
        deps.log.warn({ point: point.name, intent: question.intent, why }, "a decision point did not answer");
        throw unavailable(point, error);
      }
    });
  };
}

async function send<Q extends Question>(
  deps: AskDeps,
  point: DecisionPoint,
  question: Q,
  timeoutMs: number,
): Promise<Answers[Q["intent"]]> {
  const secret = deps.secretBox.open(point.sealedSecret, secretContext(point.name));
  const id = newUuid();
  const body = formatQuestion(id, point.name, question);
  const reply = await deps.outgoing.request(point.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json",
      [signatureHeader]: signMessage(secret, "question", body, deps.clock.nowMs()),
    },
    body,
    timeoutMs,
    maxBytes: maxAnswerBytes,
  });
  if (reply.status !== 200) throw new AppError("UNAVAILABLE", `it answered ${reply.status}, not 200`);
  const signature = reply.headers[signatureHeader];
  if (!isSignedBy(secret, `answer ${id}`, reply.body, signature, deps.clock.nowMs())) {
    throw new AppError("UNAVAILABLE", "its answer is not signed with the secret, or its clock is wrong");
  }
  const answer = parseAnswer(id, question, reply.body.toString("utf8"));
  if ("problem" in answer) throw new AppError("UNAVAILABLE", `its answer cannot be used: ${answer.problem}`);
  return answer;
}

/** What a secret is sealed for. */
export function secretContext(name: string): string {
  return `decision-point ${name}`;
}

function unavailable(point: DecisionPoint, cause?: unknown): AppError {
  return new AppError("UNAVAILABLE", `the decision point ${point.name} does not answer`, {
    cause,
    retryAfterSeconds: 2,
  });
}
