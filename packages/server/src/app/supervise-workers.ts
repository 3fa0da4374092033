import cluster, { type Worker } from "node:cluster";
import { setTimeout as wait } from "node:timers/promises";
import type { Log } from "../lib/log.ts";

export interface WorkerOptions {
  readonly workers: number;
  readonly drainSeconds: number;
  readonly log: Log;
}

const restartDelayMs = 1_000;

/**
 * Keeps so many worker processes on one port, starts another where one died, and passes SIGTERM, SIGINT and SIGHUP on. `onReady` is called
 * once, when the first worker listens. The returned promise settles when all have stopped after a signal; it rejects when a worker
 * cannot even start.
 */
export async function superviseWorkers(
  options: WorkerOptions,
  onReady: (port: number) => void,
): Promise<void> {
  const { log } = options;
  let stopping = false;
  let ready = false;
  const { promise: finished, resolve, reject } = Promise.withResolvers<void>();

  function start(): void {
    const worker = cluster.fork();
    worker.on("message", (message: unknown) => {
      const port = portOf(message);
      if (port === undefined || ready) return;
      ready = true;
      onReady(port);
    });
    worker.on("exit", (code, signal) => void onExit(worker, code, signal));
  }

  async function onExit(worker: Worker, code: number, signal: string): Promise<void> {
    if (stopping) {
      if (Object.keys(cluster.workers ?? {}).length === 0) resolve();
      return;
    }
    if (!ready) {
      reject(new Error(`a worker process ended with code ${code} before it listened`));
      return;
    }
    log.error({ pid: worker.process.pid, code, signal }, "a worker died; another one starts");
    await wait(restartDelayMs);
    if (!stopping) start();
  }

  function stop(signal: NodeJS.Signals): void {
    if (stopping) process.exit(1);
    stopping = true;
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal);
  }

  process.on("SIGTERM", stop).on("SIGINT", stop);
  process.on("SIGHUP", () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill("SIGHUP");
  });
  for (let index = 0; index < options.workers; index++) start();
  await finished;
}

function portOf(message: unknown): number | undefined {
  if (typeof message !== "object" || message === null || !("port" in message)) return undefined;
  return typeof message.port === "number" ? message.port : undefined;
}
