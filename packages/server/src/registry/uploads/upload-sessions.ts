import type { Hash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { AppError } from "../../lib/app-error.ts";
import { createLru } from "../../lib/create-lru.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";

/**
 * What this process remembers of uploads beyond SQL: the running hash, so that the next chunk need not hash everything
 * again, and who writes now, so that a client that reconnects takes over from its own dead connection. Losing any of it
 * costs time, never bytes.
 */
export interface UploadSessions {
  /** The running hash over exactly `offsetBytes` bytes, taken out; undefined when this process has not seen all of them. */
  takeHash(id: UploadId, offsetBytes: number): Hash | undefined;
  keepHash(id: UploadId, offsetBytes: number, hash: Hash): void;
  /**
   * Becomes the only writer of the upload in this process. Whoever writes is told to stop and waited for; tells a signal that fires
   * when the next one comes, and `done`, to be called when the writing has ended in any way. `CONFLICT` when the other has not ended after half a
   * minute, as its storage hangs, or when `gone` fires.
   */
  enter(
    id: UploadId,
    gone: AbortSignal,
  ): Promise<{ readonly signal: AbortSignal; readonly done: () => void }>;
  /** The quarter of a second between two looks whether another process has let go of an upload. */
  readonly pause: () => Promise<void>;
}

interface Writer {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

const maxHashes = 2_000;
/** Longer than what a request to an object store may take. */
const maxWaitMs = 30_000;

/** `pause` is given by tests, which do not sleep. */
export function createUploadSessions(pause: UploadSessions["pause"] = () => wait(250)): UploadSessions {
  const hashes = createLru<UploadId, { readonly offsetBytes: number; readonly hash: Hash }>(maxHashes);
  const writers = new Map<UploadId, Writer>();
  return {
    pause,
    takeHash(id, offsetBytes) {
      const kept = hashes.get(id);
      hashes.delete(id);
      // A kept hash may be stale: another instance may have appended meanwhile.
      return kept !== undefined && kept.offsetBytes === offsetBytes ? kept.hash : undefined;
    },
    keepHash: (id, offsetBytes, hash) => void hashes.set(id, { offsetBytes, hash }),
    async enter(id, gone) {
      for (let before = writers.get(id); before !== undefined; before = writers.get(id)) {
        before.abort.abort(startedAgain());
        await endOf(before, gone);
      }
      const abort = new AbortController();
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      const writer: Writer = { abort, ended };
      writers.set(id, writer);
      return {
        signal: abort.signal,
        done: () => {
          if (writers.get(id) === writer) writers.delete(id);
          resolve();
        },
      };
    },
  };
}

async function endOf({ ended }: Writer, gone: AbortSignal): Promise<void> {
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const limit = AbortSignal.any([gone, AbortSignal.timeout(maxWaitMs)]);
  const giveUp = (): void => reject(stillWriting());
  limit.addEventListener("abort", giveUp, { once: true });
  if (limit.aborted) giveUp();
  await Promise.race([ended, givenUp]).finally(() => limit.removeEventListener("abort", giveUp));
}

/** Another request for the upload is at it, here or elsewhere, and does not end. */
export function stillWriting(): AppError {
  return new AppError("CONFLICT", "another request is writing to this upload; wait for it or try again", {
    // By then the claim of an instance that is gone has lapsed.
    retryAfterSeconds: 9,
  });
}

function startedAgain(): AppError {
  return new AppError("CONFLICT", "the client has started another request for this upload");
}
