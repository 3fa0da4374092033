import { constants, fstatSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { BlobReader } from "../blob-store.ts";

/** Files that never change, opened to be read. What is asked for again within seconds is still open then: opening, looking and closing cost more than sending a megabyte. */
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
  readers: number;
  idleSinceMs: number;
  /** Not to be lent again: closed by its last reader. */
  isOver: boolean;
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
  /** One for each path, those that became idle last at the end. */
  const files = new Map<string, OpenFile>();
  let idle = 0;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  /** Another may have the path by now. */
  function forget(file: OpenFile): void {
    if (files.get(file.path) === file) files.delete(file.path);
  }

  async function end(file: OpenFile): Promise<void> {
    forget(file);
    if (file.isOver) return;
    file.isOver = true;
    if (file.readers > 0) return;
    idle -= 1;
    await file.handle.close();
  }

  async function endIdle(isDue: (file: OpenFile) => boolean): Promise<void> {
    const due = [...files.values()].filter((file) => file.readers === 0 && isDue(file));
    await Promise.all(due.map(end));
  }

  function sweepLater(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      const nowMs = performance.now();
      // Of a file that was only read nothing can be lost when it is closed.
      endIdle((file) => nowMs - file.idleSinceMs >= idleMs).catch(() => {});
      if (idle > 0) sweepLater();
    }, idleMs).unref();
  }

  async function giveBack(file: OpenFile): Promise<void> {
    file.readers -= 1;
    if (file.readers > 0) return;
    if (file.isOver || isClosed) {
      forget(file);
      await file.handle.close();
      return;
    }
    idle += 1;
    file.idleSinceMs = performance.now();
    files.delete(file.path);
    files.set(file.path, file);
    sweepLater();
    if (idle <= maxIdle) return;
    const [oldest] = [...files.values()].filter(({ readers }) => readers === 0);
    if (oldest !== undefined) await end(oldest);
  }

  function lend(file: OpenFile, sizeBytes: number): BlobReader {
    if (file.readers === 0) idle -= 1;
    file.readers += 1;
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
      const kept = files.get(path);
      if (kept !== undefined) {
        // Of an open file that costs no disk. A file that was removed, or replaced by another, has no name any more.
        const { nlink, size } = fstatSync(kept.handle.fd);
        if (nlink > 0) return lend(kept, size);
        await end(kept);
      }
      const handle = await open(path, O_RDONLY | O_NOFOLLOW);
      try {
        const { size } = await handle.stat();
        const file: OpenFile = { path, handle, readers: 0, idleSinceMs: 0, isOver: false };
        // Of two that were opened at once one is kept.
        if (files.has(path)) file.isOver = true;
        else files.set(path, file);
        idle += 1;
        return lend(file, size);
      } catch (error) {
        await handle.close();
        throw error;
      }
    },
    async drop(path) {
      const kept = files.get(path);
      if (kept !== undefined) await end(kept);
    },
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await endIdle(() => true);
    },
  };
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
