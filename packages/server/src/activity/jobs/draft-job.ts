import { AppError } from "../../lib/app-error.ts";
import type { JobKind } from "./job-kind.ts";

/** A job that may be queued: its payload is of the form that its kind says. */
export interface JobDraft {
  readonly kind: string;
  readonly payload: string;
  readonly maxAttempts: number;
  readonly namespace: string;
  readonly priority: number;
  readonly uniqueKey: string | undefined;
  readonly runAtMs: number | undefined;
}

export interface JobOptions {
  /** Who waits for it; kinds take turns between namespaces. Absent = the registry itself. */
  readonly namespace?: string;
  /** Higher first, among the jobs of its kind. Default 0. */
  readonly priority?: number;
  /** While one with the same key waits, no second one is queued. */
  readonly uniqueKey?: string;
  /** Not before then; absent = at once. */
  readonly runAtMs?: number;
}

const maxPayloadCharacters = 100_000;
const maxKeyCharacters = 500;

/**
 * Checks the payload, which must hold no secret: whoever may read jobs reads it. Before the transaction, as schemas are loaded when they are first needed.
 * Throws `REQUEST_INVALID` for what the kind does not take.
 */
export async function draftJob<Payload>(
  kind: JobKind<Payload>,
  payload: Payload,
  options: JobOptions = {},
): Promise<JobDraft> {
  await checkPayload(kind, payload);
  const text = JSON.stringify(payload ?? {});
  if (text.length > maxPayloadCharacters) {
    throw new AppError(
      "REQUEST_INVALID",
      `the payload of a job has at most ${maxPayloadCharacters} characters`,
    );
  }
  if ((options.uniqueKey?.length ?? 0) > maxKeyCharacters) {
    throw new AppError("REQUEST_INVALID", `the key of a job has at most ${maxKeyCharacters} characters`);
  }
  return {
    kind: kind.kind,
    payload: text,
    maxAttempts: kind.maxAttempts,
    namespace: options.namespace ?? "",
    priority: options.priority ?? 0,
    uniqueKey: options.uniqueKey,
    runAtMs: options.runAtMs,
  };
}

/** `REQUEST_INVALID` with where and why when the payload is not of the kind's form. */
export async function checkPayload(kind: JobKind<never>, payload: unknown): Promise<void> {
  if (kind.payloadSchema === undefined) {
    if (payload === undefined || isEmptyObject(payload)) return;
    throw new AppError("REQUEST_INVALID", `a job ${kind.kind} has no payload`);
  }
  const [schema, { Value }] = await Promise.all([kind.payloadSchema(), import("typebox/value")]);
  const [problem] = Value.Errors(schema, payload);
  if (problem === undefined) return;
  const where = problem.instancePath === "" ? "it" : problem.instancePath;
  throw new AppError(
    "REQUEST_INVALID",
    `the payload of ${kind.kind} is not as it should be: ${where} ${problem.message}`,
  );
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
