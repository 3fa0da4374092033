import type { CANCEL_SYMBOL } from "@clack/prompts";
import type { CliContext } from "./cli-context.ts";
import { UsageError } from "./usage-error.ts";

/** Questions on a terminal; drawn on standard error, so results can be piped. An interrupt or escape ends the command. */

async function answered<T extends string | boolean>(answer: Promise<T | typeof CANCEL_SYMBOL>): Promise<T> {
  const value = await answer;
  if (typeof value === "symbol") throw new Error("cancelled; nothing was changed");
  return value;
}

/** A line of text. `UsageError` with `instead` where nobody can answer. */
export async function askText(context: CliContext, message: string, instead: string): Promise<string> {
  if (!context.output.isInteractive) throw new UsageError(instead);
  const { text } = await import("@clack/prompts");
  const validate = (value: string | undefined) =>
    value === undefined || value === "" ? "It cannot be empty" : undefined;
  return answered(text({ message, validate, output: process.stderr, signal: context.signal }));
}

/** A password, not shown. `UsageError` with `instead` where nobody can answer. */
export async function askPassword(context: CliContext, message: string, instead: string): Promise<string> {
  if (!context.output.isInteractive) throw new UsageError(instead);
  const { password } = await import("@clack/prompts");
  const validate = (value: string | undefined) =>
    value === undefined || value === "" ? "It cannot be empty" : undefined;
  return answered(password({ message, validate, output: process.stderr, signal: context.signal }));
}

/** Yes or no, no at first. `UsageError` with `instead` where nobody can answer. */
export async function askConfirmation(
  context: CliContext,
  message: string,
  instead: string,
): Promise<boolean> {
  if (!context.output.isInteractive) throw new UsageError(instead);
  const { confirm } = await import("@clack/prompts");
  return answered(confirm({ message, initialValue: false, output: process.stderr, signal: context.signal }));
}

const passwordLimitBytes = 65_536;

/** All of standard input without the last line break; `UsageError` when it is empty or longer than 64 KiB. */
export async function readPasswordFromStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    sizeBytes += bytes.byteLength;
    if (sizeBytes > passwordLimitBytes) throw new UsageError("the password on standard input is too long");
    chunks.push(bytes);
  }
  const password = Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
  if (password === "") throw new UsageError("there is no password on standard input");
  return password;
}
