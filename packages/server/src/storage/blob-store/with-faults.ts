import type { BlobStore, BlobWriter } from "./blob-store.ts";

/** Decides about every call of a wrapped store: what it throws is thrown instead of, or after, the call's effect. */
export interface Faults {
  /** Called twice for each call, in order of the calls; `call` counts from 1. */
  decide(call: number, operation: string, when: "before" | "after"): void;
}

/**
 * A store that fails where a test wants it to: the n-th call, before it had an effect or after it. For loops that fail every call once and look
 * at what is left. Same contract when `decide` never throws.
 */
export function withFaults(store: BlobStore, faults: Faults): BlobStore {
  let calls = 0;
  async function step<T>(operation: string, work: () => Promise<T>): Promise<T> {
    const call = ++calls;
    faults.decide(call, operation, "before");
    const result = await work();
    faults.decide(call, operation, "after");
    return result;
  }
  const wrapWriter = (writer: BlobWriter): BlobWriter => ({
    append: (chunks) => step("append", () => writer.append(chunks)),
    sync: () => step("sync", () => writer.sync()),
    // A close that fails would leak what the test itself must give back.
    close: () => writer.close(),
  });
  return {
    openUpload: async (id, offset, mayChange) =>
      wrapWriter(await step("openUpload", () => store.openUpload(id, offset, mayChange))),
    openUploadForReading: (id, size) =>
      step("openUploadForReading", () => store.openUploadForReading(id, size)),
    commitUpload: (id, digest, size) => step("commitUpload", () => store.commitUpload(id, digest, size)),
    discardUpload: (id, digest, mayChange) =>
      step("discardUpload", () => store.discardUpload(id, digest, mayChange)),
    openBlob: (location) => step("openBlob", () => store.openBlob(location)),
    hasWhole: (location, size) => step("hasWhole", () => store.hasWhole(location, size)),
    deleteBlob: (location) => step("deleteBlob", () => store.deleteBlob(location)),
    signUrl: (location, reply) => step("signUrl", () => store.signUrl(location, reply)),
    list: () => store.list(),
    probe: () => step("probe", () => store.probe()),
    close: () => store.close(),
  };
}
