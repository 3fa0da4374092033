import { setImmediate as nextTurn } from "node:timers/promises";
import { type JobKind, jobKind } from "../../activity/jobs/job-kind.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Database } from "../../storage/database/database.ts";
import {
  countBlobsAfter,
  countManifestsAfter,
  countSmallTables,
  type StorageNumbers,
  writeNumbers,
} from "./storage-numbers-store.ts";

const batch = 10_000;
const everyMs = 300_000;

/** Counts what is in the registry, in small steps: once for all instances, so that being watched costs nothing. */
export function countStorageKind(deps: { readonly database: Database; readonly clock: Clock }): JobKind {
  const { database, clock } = deps;
  return jobKind<undefined>({
    kind: "metrics.count-storage",
    summary: "Counts blobs, bytes and manifests for the metrics.",
    maxAttempts: 1,
    timeoutMs: everyMs,
    concurrency: 1,
    schedule: { everyMs },
    async run(_job, signal) {
      let [blobs, blobBytes, manifests] = [0, 0, 0];
      for (let last: number | undefined = 0; last !== undefined; ) {
        signal.throwIfAborted();
        const after: number = last;
        const part = await database.readAside((db) => countBlobsAfter(db, after, batch));
        blobs += part.count;
        blobBytes += part.bytes;
        last = part.lastId;
        await nextTurn();
      }
      for (let last: number | undefined = 0; last !== undefined; ) {
        signal.throwIfAborted();
        const after: number = last;
        const part = await database.readAside((db) => countManifestsAfter(db, after, batch));
        manifests += part.count;
        last = part.lastId;
        await nextTurn();
      }
      const small = await database.readAside(countSmallTables);
      const numbers: StorageNumbers = { blobs, blobBytes, manifests, ...small, countedAtMs: clock.nowMs() };
      await database.transaction((tx) => writeNumbers(tx, numbers), { durable: false });
      return { ...numbers };
    },
  });
}
