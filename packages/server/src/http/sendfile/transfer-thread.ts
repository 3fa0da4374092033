import { closeSync, writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Log } from "../../lib/log.ts";
import type { KernelCalls } from "./kernel-calls.ts";

/** Brings parts of files to sockets on a thread of its own, all at once, so that neither clients nor a cold disk keep the event loop. */
export interface TransferThread {
  /** Whether it takes transfers now. The first question starts it, which takes some 50 ms; one that has nothing to do for a minute ends. */
  isReady(): boolean;
  /**
   * Sends the bytes of the file from `position` to `end` (exclusive). Resolves to 0 when everything was sent or the signal has fired, to `storageEnds` when the file
   * ended, else to the errno of what failed. `moved` is told of all bytes that were sent before that, some five times a second. Nothing else may be written to
   * the socket meanwhile; it may be closed. Rejects when the thread is gone: then nobody knows how much was sent.
   */
  transfer(
    part: TransferPart,
    hooks: { readonly signal: AbortSignal; readonly moved: (bytes: number) => void },
  ): Promise<number>;
}

export const storageEnds = -1;

export interface TransferPart {
  readonly socketFd: number;
  /** Stays open until the transfer has ended. */
  readonly fileFd: number;
  readonly position: number;
  readonly end: number;
}

interface Pending {
  position: number;
  readonly moved: (bytes: number) => void;
  readonly resolve: (errno: number) => void;
  readonly reject: (error: Error) => void;
}

type Answer =
  | "ready"
  | {
      readonly id: number;
      readonly position: number;
      /** Absent = it goes on. */
      readonly errno?: number;
    };

const idleMs = 60_000;
/** The number one in eight bytes, as an eventfd takes it. */
const once = new Uint8Array(new BigUint64Array([1n]).buffer);

export function createTransferThread(calls: KernelCalls, log: Log): TransferThread {
  const pending = new Map<number, Pending>();
  let worker: Worker | undefined;
  let wakeFd = -1;
  let isReady = false;
  let isBroken = false;
  let idle: NodeJS.Timeout | undefined;
  let lastId = 0;

  function start(): Worker | undefined {
    wakeFd = calls.makeEvent();
    if (wakeFd < 0) return undefined;
    try {
      const made = new Worker(new URL("./transfer-thread.mjs", import.meta.url), {
        workerData: { wakeFd },
        // Of the process's own arguments the thread needs none, and little room.
        execArgv: [],
        resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
      });
      const ownWakeFd = wakeFd;
      made.on("message", heard);
      made.on("error", (error) => gone(made, error));
      made.on("exit", () => {
        closeSync(ownWakeFd);
        gone(made, new Error("the thread that sends blobs has ended"));
      });
      // After the listeners, of which one would keep the process again.
      made.unref();
      return made;
    } catch (error) {
      // The system may refuse a thread.
      closeSync(wakeFd);
      isBroken = true;
      log.warn({ error }, "no thread could be had to send blobs by sendfile; they are sent from memory");
      return undefined;
    }
  }

  function heard(answer: Answer): void {
    if (answer === "ready") {
      isReady = true;
      restLater();
      return;
    }
    const transfer = pending.get(answer.id);
    if (transfer === undefined) return;
    const bytes = answer.position - transfer.position;
    transfer.position = answer.position;
    if (bytes > 0) transfer.moved(bytes);
    if (answer.errno !== undefined) transfer.resolve(answer.errno);
  }

  function gone(which: Worker, error: Error): void {
    if (which !== worker) return;
    worker = undefined;
    isReady = false;
    isBroken = true;
    log.warn({ error }, "the thread that sends blobs by sendfile is gone; they are sent from memory");
    for (const transfer of pending.values()) transfer.reject(error);
  }

  function restLater(): void {
    clearTimeout(idle);
    idle = setTimeout(() => {
      worker?.postMessage(undefined);
      worker = undefined;
      isReady = false;
    }, idleMs);
    idle.unref();
  }

  /** By both ways: it waits for messages, or for its clients and this event. */
  function tell(message: unknown): void {
    worker?.postMessage(message);
    writeSync(wakeFd, once);
  }

  return {
    isReady() {
      if (!isBroken) worker ??= start();
      return isReady;
    },
    async transfer({ socketFd, fileFd, position, end }, { signal, moved }) {
      // A number of its own: the other one may be somebody else's socket as soon as this one is closed.
      const ownFd = calls.duplicate(socketFd);
      if (ownFd < 0) return -ownFd;
      clearTimeout(idle);
      lastId += 1;
      const id = lastId;
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      pending.set(id, { position, moved, resolve, reject });
      const cancel = (): void => tell({ cancel: id });
      signal.addEventListener("abort", cancel, { once: true });
      try {
        tell({ id, socketFd: ownFd, fileFd, position, end });
        return await promise;
      } finally {
        signal.removeEventListener("abort", cancel);
        closeSync(ownFd);
        pending.delete(id);
        if (pending.size === 0) restLater();
      }
    },
  };
}
