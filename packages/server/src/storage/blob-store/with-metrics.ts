import type { BlobStore, BlobWriter } from "./blob-store.ts";

/** Where the figures of a store go. */
export interface BlobStoreMetrics {
  observe(operation: string, seconds: number, outcome: "ok" | "error"): void;
  wrote(bytes: number): void;
}

/** Measures every call of a store; changes nothing. */
export function withMetrics(store: BlobStore, metrics: BlobStoreMetrics): BlobStore {
  async function timed<T>(operation: string, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    let outcome: "ok" | "error" = "error";
    try {
      const result = await work();
      outcome = "ok";
      return result;
    } finally {
      metrics.observe(operation, (performance.now() - started) / 1_000, outcome);
    }
  }
  const wrapWriter = (writer: BlobWriter): BlobWriter => ({
    async append(chunks) {
      await timed("append", () => writer.append(chunks));
      metrics.wrote(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
    },
    sync: () => timed("sync", () => writer.sync()),
    close: () => writer.close(),
  });
  return {
    openUpload: async (id, offset, mayChange) =>
      wrapWriter(await timed("openUpload", () => store.openUpload(id, offset, mayChange))),
    openUploadForReading: (id, size) =>
      timed("openUploadForReading", () => store.openUploadForReading(id, size)),
    commitUpload: (id, digest, size) => timed("commitUpload", () => store.commitUpload(id, digest, size)),
    discardUpload: (id, digest, mayChange) =>
      timed("discardUpload", () => store.discardUpload(id, digest, mayChange)),
    openBlob: (location) => timed("openBlob", () => store.openBlob(location)),
    hasWhole: (location, size) => timed("hasWhole", () => store.hasWhole(location, size)),
    deleteBlob: (location) => timed("deleteBlob", () => store.deleteBlob(location)),
    signUrl: (location, reply) => timed("signUrl", () => store.signUrl(location, reply)),
    list: () => store.list(),
    probe: () => timed("probe", () => store.probe()),
    close: () => store.close(),
  };
}
