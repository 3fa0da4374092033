import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePorts } from "@entrepot/server/lib/testing/free-ports";
import { buildProgram } from "../../tools/build-program.ts";

/** One server process of this checkout, run as `npm start` runs it. */
export interface ServerProcess {
  readonly origin: string;
  readonly pid: number;
  /** Everything it has printed so far, both streams. */
  output(): string;
  /** Ends it and waits until it is gone; SIGKILL is a crash, SIGTERM a drain. */
  stop(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
}

export interface ServerOptions {
  readonly dataDir: string;
  readonly port: number;
  /** ENTREPOT_… settings beyond port, data folder and administrator. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The checkout whose sources are run, if it is not the built program of this one. */
  readonly program?: string;
  /** A network of its own to run in: its address, and the command that leads there. */
  readonly within?:
    | { readonly address: string; readonly command: readonly [string, ...string[]] }
    | undefined;
}

export const administrator = { username: "admin", password: "correct-horse-battery" } as const;

const repository = resolve(import.meta.dirname, "../..");
// Generous: on a busy machine the compiler of types alone takes seconds.
const startLimitMs = 240_000;

/** Starts a server and resolves when it answers; throws with its output when it does not. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const address = options.within?.address ?? "127.0.0.1";
  if (options.program === undefined) await buildProgram();
  const file =
    options.program === undefined
      ? ["dist/server.js"]
      : ["--conditions=source", "packages/server/src/main.ts"];
  const server = [process.execPath, ...file];
  const [program, ...args] = [...(options.within?.command ?? []), ...server];
  const child = spawn(program ?? "", args, {
    cwd: options.program ?? repository,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      ENTREPOT_HOST: address,
      ENTREPOT_PORT: String(options.port),
      ENTREPOT_DATA_DIR: options.dataDir,
      ENTREPOT_ADMIN_USERNAME: administrator.username,
      ENTREPOT_ADMIN_PASSWORD: administrator.password,
      ENTREPOT_LOG_LEVEL: "warn",
      ...options.settings,
    },
  });
  const printed: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      printed.push(text);
      if (printed.length > 2_000) printed.shift();
    });
  }
  const output = () => printed.join("");
  const origin = `http://${address}:${options.port}`;
  await untilReady(child, origin, output);
  return {
    origin,
    pid: child.pid ?? 0,
    output,
    async stop(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill(signal);
      await gone;
    },
  };
}

/** A port for a server that is about to start, or is started again; see `freePorts`. */
export function freePort(): Promise<number> {
  return freePorts(1);
}

async function untilReady(child: ChildProcess, origin: string, output: () => string): Promise<void> {
  const deadline = performance.now() + startLimitMs;
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    try {
      const response = await fetch(`${origin}/health/instance`, { signal: AbortSignal.timeout(2_000) });
      await response.body?.cancel();
      if (response.ok) return;
    } catch {
      // Not listening yet.
    }
    await wait(15);
  }
  child.kill("SIGKILL");
  const end = child.exitCode ?? child.signalCode ?? "none: it still runs";
  throw new Error(`the server did not become ready (exit: ${end}); it printed:\n${output()}`);
}
