import { createHash } from "node:crypto";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { BlobReader } from "../../storage/blob-store/blob-store.ts";

/** A file with bytes that differ everywhere, and readers of it that are counted. */
export interface TestFile {
  readonly bytes: Buffer;
  readonly path: string;
  openReader(): Promise<BlobReader>;
  /** Readers that are open now. */
  openReaders(): number;
  /** Bytes that went through `read`; what sendfile sends does not. */
  readBytes(): number;
}

export async function createTestFile(context: TestContext, sizeBytes: number): Promise<TestFile> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-http-"));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "blob");
  const bytes = patterned(sizeBytes);
  await writeFile(path, bytes);
  let openReaders = 0;
  let readBytes = 0;
  return {
    bytes,
    path,
    openReaders: () => openReaders,
    readBytes: () => readBytes,
    async openReader() {
      const handle = await open(path);
      openReaders += 1;
      return {
        sizeBytes,
        fileDescriptor: handle.fd,
        async read(buffer, position) {
          const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, position);
          readBytes += bytesRead;
          return bytesRead;
        },
        async close() {
          openReaders -= 1;
          await handle.close();
        },
      };
    },
  };
}

/** No two places alike, so that a shifted, repeated or missing piece shows. */
function patterned(sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  const block = 65_536;
  for (let position = 0; position < sizeBytes; position += block) {
    const end = Math.min(position + block, sizeBytes);
    const seed = createHash("sha256").update(String(position)).digest();
    bytes.fill(seed, position, end);
    if (end - position >= 8) bytes.writeDoubleBE(position, position);
  }
  return bytes;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
