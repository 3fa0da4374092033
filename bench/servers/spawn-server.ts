import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

export interface Spawned {
  readonly pid: number;
  /** From the start of the process to its first good answer. */
  readonly startMs: number;
  stop(): Promise<void>;
}

/** Starts a program and waits until `url` answers 200 or 401. */
export async function spawnServer(
  command: string,
  args: readonly string[],
  options: { readonly url: string; readonly cwd?: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Spawned> {
  const printed: string[] = [];
  const started = performance.now();
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      printed.push(chunk.toString());
      if (printed.length > 100) printed.shift();
    });
  }
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await gone;
    clearTimeout(timer);
  };
  while (performance.now() - started < 30_000 && child.exitCode === null) {
    try {
      const response = await fetch(options.url);
      await response.arrayBuffer();
      if (response.status === 200 || response.status === 401) {
        return { pid: child.pid ?? 0, startMs: performance.now() - started, stop };
      }
    } catch {
      // Not listening yet.
    }
    await wait(10);
  }
  await stop();
  throw new Error(`${command} did not start; it printed:\n${printed.join("")}`);
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
