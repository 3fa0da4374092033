import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";

/** How a command ended. */
export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const program = resolve(import.meta.dirname, "../../bin/entrepot.mjs");
const limitMs = 240_000;

/** The command as a process of its own, from the sources; `environment` is all that it gets besides PATH. No limit when `timeoutMs` is 0. */
export function spawnCli(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  timeoutMs = 0,
) {
  // oxlint-disable-next-line node/no-process-env -- a process needs a search path, and nothing else of this one's environment
  const path = process.env["PATH"];
  return spawn(process.execPath, ["--conditions=source", program, ...args], {
    env: { ...(path !== undefined && { PATH: path }), ...environment },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: timeoutMs,
  });
}

/** Runs a command to its end; standard input is `input` and never a terminal. */
export async function runCli(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  input = "",
): Promise<CliRun> {
  const child = spawnCli(args, environment, limitMs);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  // A command that does not read its input may be gone before it is written.
  child.stdin.on("error", () => undefined).end(input);
  await once(child, "close");
  return { code: child.exitCode, stdout, stderr };
}
