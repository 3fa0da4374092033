import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer as collect } from "node:stream/consumers";
import type { ReadableStream } from "node:stream/web";
import { AppError } from "../../../lib/app-error.ts";
import { explainUnreachable } from "./explain-unreachable.ts";
import type { ObjectMedium } from "./object-medium.ts";

const answerMs = 10_000;
const reply = { expiresSeconds: 60, contentType: "application/octet-stream", cacheControl: "no-store" };

/**
 * Goes where a client would be sent for an object, and reads it there; removes the object. Tells in a sentence how that went. `UNAVAILABLE` when no address can be signed, or what is
 * there refuses it or gives back something else. That this machine does not get there is no fault: clients may, from elsewhere.
 */
export async function examineRedirect(medium: ObjectMedium): Promise<string> {
  const key = `probe/${randomBytes(8).toString("hex")}`;
  const bytes = randomBytes(64);
  await medium.put(key, bytes);
  try {
    const address = await medium.signUrl(key, reply);
    if (address === undefined) {
      throw unusable(
        "it signs no addresses: for Swift set storage.tempUrlKey, for Google use an identity that can sign",
      );
    }
    return await follow(address, bytes);
  } finally {
    await medium.delete([key]).catch(() => {});
  }
}

async function follow(address: string, expected: Buffer): Promise<string> {
  let answer: Response;
  try {
    answer = await fetch(address, { signal: AbortSignal.timeout(answerMs), redirect: "error" });
  } catch (error) {
    return `clients are sent to where this machine does not get (${explainUnreachable(error).message})`;
  }
  // as: the two declarations of the web's stream differ, the object is the same
  const got =
    answer.body === null ? Buffer.alloc(0) : await collect(Readable.fromWeb(answer.body as ReadableStream));
  if (answer.status !== 200) {
    throw unusable(
      `a signed address is answered ${answer.status}: check the keys that sign, publicEndpoint or cloudFront in storage.url, and this machine's clock`,
    );
  }
  if (!got.equals(expected)) {
    throw unusable(
      "a signed address leads to other bytes: check publicEndpoint or cloudFront in storage.url",
    );
  }
  return "clients that are sent there get what was stored";
}

function unusable(sentence: string): AppError {
  return new AppError("UNAVAILABLE", `clients cannot be sent to the object store: ${sentence}`);
}
