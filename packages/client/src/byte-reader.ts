/** Hands out a stream of bytes in pieces of a given length, so that one source can fill several requests. Not for concurrent use. */
export interface ByteReader {
  /** Up to `sizeBytes` bytes as a stream; fewer only at the end of the source. Must be read before the next `take`. */
  take(sizeBytes: number): AsyncGenerator<Uint8Array, void, undefined>;
  /** Ends the source. May be repeated. */
  close(): Promise<void>;
}

/** The reader owns the source from now on. */
export function createByteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = source[Symbol.asyncIterator]();
  let left: Uint8Array | undefined;

  async function next(): Promise<Uint8Array | undefined> {
    if (left !== undefined) {
      const chunk = left;
      left = undefined;
      return chunk;
    }
    const result = await iterator.next();
    return result.done === true ? undefined : result.value;
  }

  return {
    async *take(sizeBytes) {
      let wanted = sizeBytes;
      while (wanted > 0) {
        const chunk = await next();
        if (chunk === undefined) return;
        if (chunk.byteLength > wanted) left = chunk.subarray(wanted);
        const part = chunk.subarray(0, wanted);
        wanted -= part.byteLength;
        yield part;
      }
    },
    async close() {
      await iterator.return?.();
    },
  };
}
