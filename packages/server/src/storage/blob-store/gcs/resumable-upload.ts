import { createHash } from "node:crypto";
import { AppError } from "../../../lib/app-error.ts";
import type { PartedObject } from "../objects/object-medium.ts";
import {
  attempts,
  drop,
  explain,
  type GcsAnswer,
  type GcsSession,
  isPassingStatus,
  pauseBefore,
} from "./gcs-session.ts";
import { checkStored, readStored, type StoredFacts } from "./stored-facts.ts";

/**
 * A large object as a resumable upload (https://cloud.google.com/storage/docs/performing-resumable-uploads): each part is sent to the session at its place, and
 * when an answer is lost the service is asked how far it came. The last part is kept until `complete`, as the object is there as soon as the
 * service knows where it ends. The MD5 of everything goes with the last bytes, so the service refuses what was spoilt on the way. A session that nobody ends is ended
 * by the service after a week and costs nothing.
 */
export function createResumableUpload(
  session: GcsSession,
  url: string,
  options: { readonly partBytes: number; deleteWrong(stored: StoredFacts): Promise<void> },
): PartedObject {
  const hash = createHash("md5");
  let sentBytes = 0;
  let last = Buffer.alloc(0);

  /** Sends bytes at the present place; undefined = the service has them and waits for more. */
  async function send(bytes: Buffer, totalBytes: number | undefined): Promise<StoredFacts | undefined> {
    const end = sentBytes + bytes.byteLength;
    const md5 = totalBytes === undefined ? undefined : hash.copy().digest("base64");
    let from = sentBytes;
    for (let attempt = 1; ; attempt++) {
      const rest = bytes.subarray(from - sentBytes);
      const range = rest.byteLength === 0 ? "*" : `${from}-${end - 1}`;
      const answer = await tolerant(attempt, () =>
        session.requestOnce({
          method: "PUT",
          url,
          headers: {
            "content-range": `bytes ${range}/${totalBytes ?? "*"}`,
            ...(md5 === undefined ? {} : { "x-goog-hash": `md5=${md5}` }),
          },
          body: rest,
        }),
      );
      const outcome = await understand(answer, attempt);
      if (typeof outcome === "object") return outcome;
      if (outcome !== undefined) from = outcome;
      else {
        await pauseBefore(attempt + 1);
        const asked = await askHowFar();
        if (typeof asked === "object") return asked;
        from = asked;
      }
      if (from < sentBytes || from > end) throw broken("has lost what it was given");
      if (from === end && totalBytes === undefined) return undefined;
      if (attempt === attempts) throw broken("does not take the next part");
    }
  }

  /** What is stored, when that ended it; how many bytes the service has; undefined when it has to be asked. */
  async function understand(
    answer: GcsAnswer | undefined,
    attempt: number,
  ): Promise<StoredFacts | number | undefined> {
    if (answer === undefined) return undefined;
    if (answer.status === 308) {
      await drop(answer);
      return endOfRange(answer.header("range"));
    }
    if (answer.status === 200 || answer.status === 201) return readStored(answer);
    if ((isPassingStatus(answer.status) || answer.status === 401) && attempt < attempts) {
      await drop(answer);
      return undefined;
    }
    throw await explain(answer);
  }

  async function askHowFar(): Promise<StoredFacts | number> {
    const answer = await session.request({
      method: "PUT",
      url,
      headers: { "content-range": "bytes */*" },
      body: "",
    });
    const outcome = await understand(answer, attempts);
    return outcome ?? 0;
  }

  return {
    async writePart(_number, bytes) {
      hash.update(bytes);
      if (bytes.byteLength < options.partBytes) {
        last = Buffer.from(bytes);
        return;
      }
      const part = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if ((await send(part, undefined)) !== undefined) throw broken("ended the object too early");
      sentBytes += part.byteLength;
    },
    async complete() {
      const totalBytes = sentBytes + last.byteLength;
      const stored = await send(last, totalBytes);
      if (stored === undefined) throw broken("did not end the object");
      const md5 = hash.digest("base64");
      try {
        checkStored(stored, { sizeBytes: totalBytes, md5 });
      } catch (error) {
        await options.deleteWrong(stored).catch(() => {});
        throw error;
      }
    },
    async abort() {
      last = Buffer.alloc(0);
      // 499 says that it is cancelled; 404 and 410 that it is gone, or was completed.
      await drop(await session.request({ method: "DELETE", url }));
    },
  };
}

/** A failed connection is as good as no answer, except for the last try. */
async function tolerant(attempt: number, work: () => Promise<GcsAnswer>): Promise<GcsAnswer | undefined> {
  try {
    return await work();
  } catch (error) {
    if (attempt === attempts) throw error;
    return undefined;
  }
}

/** `bytes=0-41` is 42 bytes; no header is none. */
function endOfRange(header: string | undefined): number {
  const [, last] = /^bytes=0-([0-9]{1,15})$/.exec(header ?? "") ?? [];
  return last === undefined ? 0 : Number(last) + 1;
}

function broken(how: string): AppError {
  return new AppError("UNAVAILABLE", `the object store ${how}`);
}
