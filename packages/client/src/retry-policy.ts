import { randomInt } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";

/** How often and how long to try again. */
export interface RetryPolicy {
  /** Attempts in all, the first included; 1 = never again. */
  readonly attempts: number;
  /** Wait before the second attempt; doubles with each one, half of it random. */
  readonly firstDelayMs: number;
  /** The longest wait, also when a registry asks for a longer one: then the refusal is told instead. */
  readonly maxDelayMs: number;
}

export const defaultRetryPolicy: RetryPolicy = { attempts: 5, firstDelayMs: 300, maxDelayMs: 30_000 };

const passingStatuses: readonly number[] = [429, 502, 503, 504];

/** Whether an answer may be another one in a while. */
export function isPassingStatus(status: number): boolean {
  return passingStatuses.includes(status);
}

const brokenConnectionCodes: readonly string[] = [
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "UND_ERR_SOCKET",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
];

/** Whether a connection broke or went silent. A refused connection is not one: see {@link isRefusedConnection}. */
export function isBrokenConnection(error: unknown): boolean {
  return brokenConnectionCodes.includes(errorCode(error));
}

/** Nobody listens there: a wrong address, or a registry that restarts. */
export function isRefusedConnection(error: unknown): boolean {
  return errorCode(error) === "ECONNREFUSED";
}

/** The `code` of a Node.js or undici error, of its cause when it has none itself, else "". */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const isPlain = !("code" in error) || typeof error.code !== "string";
  // A RegistryError has a code of its own, which tells less than its cause.
  if (!isPlain && error.name !== "RegistryError") return String(error.code);
  return errorCode(error.cause);
}

/**
 * How long to wait before attempt `attempt + 1`. Undefined = do not try again: the attempts are used up, or the registry asked for a longer
 * wait than allowed.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  attempt: number,
  retryAfterMs: number | undefined,
): number | undefined {
  if (attempt >= policy.attempts) return undefined;
  if (retryAfterMs !== undefined) return retryAfterMs <= policy.maxDelayMs ? retryAfterMs : undefined;
  const full = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (attempt - 1));
  // Half of it random, so that many clients do not come back in step.
  return full / 2 + randomInt(Math.max(1, Math.ceil(full / 2)));
}

/**
 * Milliseconds that `Retry-After` asks for (RFC 9110, 10.2.3: seconds or a date). A date counts from the answer's own `Date`, so this machine's
 * clock does not matter. Undefined when it is absent or malformed.
 */
export function parseRetryAfter(
  retryAfter: string | undefined,
  date: string | undefined,
): number | undefined {
  if (retryAfter === undefined) return undefined;
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1_000;
  const delay = Date.parse(retryAfter) - Date.parse(date ?? "");
  return Number.isNaN(delay) ? undefined : Math.max(0, delay);
}

/** Waits; rejects at once with the signal's reason when it is aborted. */
export async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await wait(delayMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
