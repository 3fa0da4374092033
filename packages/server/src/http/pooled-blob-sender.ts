import { type BlobSender, ClientGone, writeChunk } from "./blob-sender.ts";
import { type BufferPool, createBufferPool } from "./buffer-pool.ts";

/** At most 32 MiB for 32 downloads at once; each one more takes 128 KiB. */
const poolLimits = { largeBytes: 524_288, smallBytes: 65_536, maxLarge: 64, maxKept: 16 } as const;

/**
 * Reads into one buffer while the other is on its way to the client. No stream machinery, no allocation for each chunk: half the CPU of
 * a piped file stream.
 */
export function createPooledBlobSender(pool: BufferPool = createBufferPool(poolLimits)): BlobSender {
  return {
    async send(response, reader, part, transfer) {
      const end = part.start + part.lengthBytes;
      let filling: Buffer | undefined = pool.take();
      let sending: Buffer | undefined;
      let sendingBytes = 0;
      let writing: Promise<void> = Promise.resolve();
      try {
        for (let position = part.start; position < end; ) {
          if (transfer.signal.aborted) throw new ClientGone(transfer.signal.reason);
          filling ??= pool.take();
          const wanted = filling.subarray(0, Math.min(filling.byteLength, end - position));
          const got = await reader.read(wanted, position);
          if (got === 0) throw new Error(`storage ends ${end - position} bytes before the blob does`);
          await writing;
          transfer.sent(sendingBytes);
          writing = writeChunk(response, wanted.subarray(0, got), transfer.signal);
          // It may fail while the next read is awaited; the await above or below reports it.
          writing.catch(() => {});
          position += got;
          [filling, sending, sendingBytes] = [sending, filling, got];
        }
        await writing;
        transfer.sent(sendingBytes);
        if (sending !== undefined) pool.giveBack(sending);
        sending = undefined;
      } finally {
        if (filling !== undefined) pool.giveBack(filling);
        if (sending !== undefined) pool.drop(sending);
      }
    },
  };
}
