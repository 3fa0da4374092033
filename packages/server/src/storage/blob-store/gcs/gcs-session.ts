import type { Readable } from "node:stream";
import { buffer as collect } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { Agent, type Dispatcher, request } from "undici";
import { AppError } from "../../../lib/app-error.ts";
import { explainUnreachable } from "../objects/explain-unreachable.ts";
import type { GoogleIdentity } from "./google-identity.ts";

export interface GcsRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface GcsAnswer {
  readonly status: number;
  /** Undefined when it was not sent. */
  header(name: string): string | undefined;
  readonly body: Readable;
}

/** Speaks with the service as the identity. */
export interface GcsSession {
  /**
   * One request, tried again when the failure is passing: so it must be one that may be repeated. The caller reads or destroys the body. `UNAVAILABLE` when
   * there is no answer.
   */
  request(wanted: GcsRequest): Promise<GcsAnswer>;
  /** One request, tried once: for what has a way of its own to go on. */
  requestOnce(wanted: GcsRequest): Promise<GcsAnswer>;
  close(): Promise<void>;
}

export const attempts = 4;
const shownBytes = 2_000;
const silenceMs = 60_000;
// https://cloud.google.com/storage/docs/retry-strategy
const passing = new Set([408, 429, 500, 502, 503, 504]);

export function createGcsSession(identity: GoogleIdentity): GcsSession {
  const agent = new Agent({
    connect: { timeout: 5_000 },
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    keepAliveTimeout: 30_000,
  });

  async function requestOnce(wanted: GcsRequest): Promise<GcsAnswer> {
    const authorization = await identity.authorization();
    try {
      const { method, url, body } = wanted;
      const answer = await request(url, {
        method,
        headers: { ...wanted.headers, authorization },
        ...(body === undefined ? {} : { body }),
        dispatcher: agent,
      });
      return answerOf(answer);
    } catch (error) {
      throw unreachable(error);
    }
  }

  return {
    requestOnce,
    async request(wanted) {
      for (let attempt = 1; ; attempt++) {
        try {
          const answer = await requestOnce(wanted);
          const isPassing = isPassingStatus(answer.status) || (answer.status === 401 && attempt === 1);
          if (!isPassing || attempt === attempts) return answer;
          await drop(answer);
        } catch (error) {
          if (attempt === attempts) throw error;
        }
        await pauseBefore(attempt + 1);
      }
    },
    close: () => agent.destroy(),
  };
}

export function isPassingStatus(status: number): boolean {
  return passing.has(status);
}

/** 100 ms, 400 ms, 1.6 s, each up to half as much longer: those that failed together do not come back together. */
export async function pauseBefore(attempt: number): Promise<void> {
  await pause(25 * 4 ** (attempt - 1) * (1 + 0.5 * jitter()));
}

function jitter(): number {
  return (crypto.getRandomValues(new Uint8Array(1))[0] ?? 0) / 256;
}

function answerOf(answer: Dispatcher.ResponseData): GcsAnswer {
  return {
    status: answer.statusCode,
    header(name) {
      const value = answer.headers[name];
      return typeof value === "string" ? value : value?.join(", ");
    },
    body: answer.body,
  };
}

/** Reads what nobody wants, so that the connection can be used again. */
export async function drop(answer: GcsAnswer): Promise<void> {
  await collect(answer.body).catch(() => {});
}

/** What the answer means to whoever set it up. Reads its body. */
export async function explain(answer: GcsAnswer): Promise<AppError> {
  return new AppError("UNAVAILABLE", sentenceOf(answer.status, await beginningOf(answer.body)));
}

function sentenceOf(status: number, text: string): string {
  if (status === 404 && isMissingBucket(text))
    return "the bucket does not exist (404); make it, or correct storage.url";
  if (status === 404 && !text.includes('"error"')) {
    return "what answers at the address of storage.url is no Google Cloud Storage (404): check endpoint";
  }
  if (status === 401) {
    return "the object store does not take this identity's token (401): make a new key for the service account and put it into storage.keysFile, if the clock is right and the old one is deleted or disabled";
  }
  if (status === 403 && text.includes("billing"))
    return "the object store refuses this (403): the project's billing is disabled or absent";
  if (status === 403 && text.includes("retention"))
    return "the bucket keeps what it has (403): the registry must be able to delete; take the retention policy away, or use another bucket";
  if (status === 403) {
    return "the object store refuses this identity (403): it needs storage.objects.create, get, list and delete on the bucket, as in the role Storage Object User";
  }
  return `the object store answers ${status}`;
}

export function isMissingBucket(text: string): boolean {
  return text.includes("bucket does not exist");
}

function unreachable(error: unknown): AppError {
  return error instanceof AppError ? error : explainUnreachable(error);
}

/** The first bytes of a body; the rest is not waited for. */
async function beginningOf(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      if (!(chunk instanceof Buffer)) break;
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes >= shownBytes) break;
    }
  } catch {
    // What came before the connection broke is all there is.
  }
  return Buffer.concat(chunks).subarray(0, shownBytes).toString();
}
