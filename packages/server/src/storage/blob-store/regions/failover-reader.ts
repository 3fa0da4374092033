import { setTimeout as wait } from "node:timers/promises";
import type { BlobReader } from "../blob-store.ts";
import type { Region } from "./region.ts";

export interface OpenedIn {
  readonly region: Region;
  readonly reader: BlobReader;
}

/** A region may be silent for so long, at the beginning or in the middle of a blob, before another is asked for the rest. */
const silenceMs = 3_000;

/**
 * Reads a blob from one region, and goes on in another at the very byte when that one fails or falls silent. `openElsewhere` opens it in any but the regions
 * named; undefined when there is no other: then the first one's own patience and error count.
 */
export function createFailoverReader(
  first: OpenedIn,
  openElsewhere: (but: ReadonlySet<Region>) => Promise<OpenedIn | undefined>,
): BlobReader {
  let current = first;
  const failed = new Set<Region>();

  async function resultOrSilence(reading: Promise<number>): Promise<number | "silent"> {
    const giveUp = new AbortController();
    const silent = wait(silenceMs, "silent" as const, { signal: giveUp.signal });
    silent.catch(() => {});
    try {
      return await Promise.race([reading, silent]);
    } finally {
      giveUp.abort();
    }
  }

  async function goElsewhere(from: OpenedIn): Promise<boolean> {
    failed.add(from.region);
    const other = await openElsewhere(failed);
    if (other === undefined) return false;
    // Not waited for: it may hang for as long as its region does.
    from.reader.close().catch(() => {});
    current = other;
    return true;
  }

  return {
    sizeBytes: first.reader.sizeBytes,
    fileDescriptor: first.reader.fileDescriptor,
    async read(buffer, position) {
      for (;;) {
        const at = current;
        // Bytes of its own for each try: one that was given up may still write into them.
        const bytes = Buffer.allocUnsafe(buffer.byteLength);
        const reading = at.reader.read(bytes, position);
        // Heard or not: one that was given up fails when it likes.
        reading.catch(() => {});
        let got: number | "silent";
        try {
          got = await resultOrSilence(reading);
        } catch (error) {
          at.region.watch.failed(error);
          if (await goElsewhere(at)) continue;
          throw error;
        }
        if (got === "silent") {
          at.region.watch.wasSlow();
          if (await goElsewhere(at)) continue;
          got = await reading;
        }
        at.region.watch.worked();
        buffer.set(bytes.subarray(0, got));
        return got;
      }
    },
    close: () => current.reader.close(),
  };
}
