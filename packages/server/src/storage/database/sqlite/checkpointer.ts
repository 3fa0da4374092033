import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Log } from "../../../lib/log.ts";

/**
 * Copies what the write-ahead log holds into the database file, on a thread of its own: a checkpoint writes thousands of pages and flushes two files, and on the connection that
 * happened to make the commit it would stop every request for so long.
 */
export interface Checkpointer {
  /** To be called after each commit. Costs nothing most of the time. */
  committed(): void;
  /** Resolves when the thread and its connection are gone. Repeatable. */
  close(): Promise<void>;
}

/** How long commits gather before they are copied: pages that change often are then copied once. */
const gatherMs = 1_000;
/** A log that never was larger is left for the day it is. 4 MiB. */
const smallLogBytes = 4 << 20;
/** From here on the rest is copied while writers wait, so that they begin the log anew. 32 MiB. */
const fullFromPages = 8_192;
/** A thread costs some megabytes: one that has nothing to do goes. */
const idleMs = 60_000;

export function createCheckpointer(
  file: string,
  writeAheadLog: { readonly stat: () => Promise<{ readonly size: number }> },
  log: Log,
): Checkpointer {
  let worker: Worker | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isRunning = false;
  let isDue = false;
  let isClosed = false;
  let ended: Promise<unknown> = Promise.resolve();

  function start(): Worker {
    const made = new Worker(new URL("./checkpoint-thread.mjs", import.meta.url), {
      workerData: { file, fullFromPages },
      // Of the process's own arguments the thread needs none, and little room.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    });
    ended = once(made, "exit").catch(() => undefined);
    made.unref();
    made.on("message", (answer: { readonly problem?: string }) => ranWith(answer.problem));
    made.on("error", (error) => {
      worker = undefined;
      ranWith(error.message);
    });
    return made;
  }

  /** Without a thread the connection that commits does it, when the log is large (open-sqlite.ts). */
  function ranWith(problem: string | undefined): void {
    if (problem !== undefined) {
      log.warn({ problem }, "the database's log could not be copied into the database; tried again later");
    }
    isRunning = false;
    wait();
  }

  function wait(): void {
    clearTimeout(timer);
    if (isClosed) return;
    timer = setTimeout(() => void run(), isDue ? gatherMs : idleMs);
    timer.unref();
  }

  /** Never throws. When something was due it ends in `wait`, now or with the answer: what is committed meanwhile relies on that. */
  async function run(): Promise<void> {
    if (!isDue) {
      worker?.postMessage(undefined);
      worker = undefined;
      return;
    }
    isDue = false;
    isRunning = true;
    const isLarge = await writeAheadLog.stat().then(
      ({ size }) => size >= smallLogBytes,
      () => false, // being closed
    );
    if (isClosed || !isLarge) return ranWith(undefined);
    try {
      worker ??= start();
      worker.postMessage("checkpoint");
    } catch (error) {
      // The system may refuse a thread.
      worker = undefined;
      ranWith(String(error));
    }
  }

  return {
    committed() {
      if (isDue) return;
      isDue = true;
      // Else it looks again when it has run.
      if (!isRunning) wait();
    },
    async close() {
      isClosed = true;
      clearTimeout(timer);
      worker?.ref();
      worker?.postMessage(undefined);
      worker = undefined;
      await ended;
    },
  };
}
