import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

/** A program that runs beside a test until it is stopped. */
export interface Daemon {
  stop(): Promise<void>;
}

const startLimitMs = 240_000;
const stopLimitMs = 60_000;

/** Starts a daemon and waits until `isReady`; throws with what it logged when that does not come. */
export async function startDaemon(
  command: readonly [program: string, ...rest: string[]],
  options: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
    readonly logFile: string;
    readonly isReady: () => Promise<boolean>;
  },
): Promise<Daemon> {
  const log = openSync(options.logFile, "a");
  const [program, ...rest] = command;
  const child = spawn(program, rest, { cwd: options.cwd, env: options.env, stdio: ["ignore", log, log] });
  closeSync(log);
  let hasEnded = false;
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      hasEnded = true;
      resolve();
    };
    child.once("exit", end).once("error", end);
  });
  const daemon: Daemon = {
    async stop() {
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), stopLimitMs);
      await ended;
      clearTimeout(killer);
    },
  };
  const deadline = performance.now() + startLimitMs;
  while (!hasEnded && performance.now() < deadline) {
    if (await options.isReady()) return daemon;
    await wait(50);
  }
  await daemon.stop();
  throw new Error(`${program} did not become ready:\n${readFileSync(options.logFile, "utf8").slice(-4_000)}`);
}
