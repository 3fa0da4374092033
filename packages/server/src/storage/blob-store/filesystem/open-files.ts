import { constants, fstatSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { BlobReader } from "../blob-store.ts";

/**
 * Files that never change, opened to be read. What is asked for again within seconds is still open then: opening, looking and closing cost more than sending a
 * megabyte. Each reader has a file of its own: of several that read one open file the kernel slows each down, as it reads ahead for the file and not for the reader.
 */
export interface OpenFiles {
  /** Throws what the system says. The reader may be closed twice. */
  open(path: string): Promise<BlobReader>;
  /** After a file was removed: its room comes back with its last reader, not seconds later. */
  drop(path: string): Promise<void>;
  /** Closes what nobody reads; the rest is closed by its readers. */
  close(): Promise<void>;
}

interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  idleSinceMs: number;
}

const { O_NOFOLLOW, O_RDONLY } = constants;

/** `idleMs`: how long a file is kept open that nobody reads; `maxIdle`: how many such at most. */
export function createOpenFiles({
  idleMs,
  maxIdle,
}: {
  readonly idleMs: number;
  readonly maxIdle: number;
}): OpenFiles {
  /** Those that nobody reads, idle longest first. */
  const idle = new Set<OpenFile>();
  const idleByPath = new Map<string, OpenFile[]>();
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  function take(path: string): OpenFile | undefined {
    const ofPath = idleByPath.get(path);
    const file = ofPath?.pop();
    if (file !== undefined) idle.delete(file);
    if (ofPath?.length === 0) idleByPath.delete(path);
    return file;
  }

  function keep(file: OpenFile): void {
    file.idleSinceMs = performance.now();
    idle.add(file);
    const ofPath = idleByPath.get(file.path);
    if (ofPath === undefined) idleByPath.set(file.path, [file]);
    else ofPath.push(file);
    sweepLater();
  }

  async function end(files: readonly OpenFile[]): Promise<void> {
    for (const file of files) {
      idle.delete(file);
      const rest = idleByPath.get(file.path)?.filter((other) => other !== file) ?? [];
      if (rest.length === 0) idleByPath.delete(file.path);
      else idleByPath.set(file.path, rest);
    }
    await Promise.all(files.map(({ handle }) => handle.close()));
  }

  function sweepLater(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      const dueMs = performance.now() - idleMs;
      // Of a file that was only read nothing can be lost when it is closed.
      end([...idle].filter((file) => file.idleSinceMs <= dueMs)).catch(() => {});
      if (idle.size > 0) sweepLater();
    }, idleMs).unref();
  }

  async function giveBack(file: OpenFile): Promise<void> {
    if (isClosed || sizeIfNamed(file) === undefined) {
      await file.handle.close();
      return;
    }
    keep(file);
    const [oldest] = idle;
    if (idle.size > maxIdle && oldest !== undefined) await end([oldest]);
  }

  function lend(file: OpenFile, sizeBytes: number): BlobReader {
    let isOpen = true;
    return {
      sizeBytes,
      fileDescriptor: file.handle.fd,
      read: (buffer, position) => fill(file.handle, buffer, position),
      async close() {
        if (!isOpen) return;
        isOpen = false;
        await giveBack(file);
      },
    };
  }

  return {
    async open(path) {
      for (let kept = take(path); kept !== undefined; kept = take(path)) {
        const sizeBytes = sizeIfNamed(kept);
        if (sizeBytes !== undefined) return lend(kept, sizeBytes);
        await kept.handle.close();
      }
      const handle = await open(path, O_RDONLY | O_NOFOLLOW);
      try {
        const { size } = await handle.stat();
        return lend({ path, handle, idleSinceMs: 0 }, size);
      } catch (error) {
        await handle.close();
        throw error;
      }
    },
    drop: (path) => end(idleByPath.get(path) ?? []),
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await end([...idle]);
    },
  };
}

/** Undefined once it was removed, or replaced by another, or cannot be looked at any more: then it is not lent again. Of an open file that costs no disk. */
function sizeIfNamed({ handle }: OpenFile): number | undefined {
  try {
    const { nlink, size } = fstatSync(handle.fd);
    return nlink > 0 ? size : undefined;
  } catch {
    return undefined;
  }
}

/** A file that is not kept open: one that still grows, or is about to get another name. Throws what the system says. */
export async function openOnce(path: string): Promise<BlobReader> {
  const handle = await open(path, O_RDONLY | O_NOFOLLOW);
  try {
    const { size } = await handle.stat();
    return {
      sizeBytes: size,
      fileDescriptor: handle.fd,
      read: (buffer, position) => fill(handle, buffer, position),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Until the buffer is full or the file ends. */
async function fill(handle: FileHandle, buffer: Uint8Array, position: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.byteLength) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.byteLength - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
