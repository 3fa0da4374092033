import type { Command } from "commander";
import { type CliContext, createOutput } from "./cli-context.ts";
import type { CliEnvironment } from "./environment.ts";
import type { GlobalOptions } from "./global-options.ts";

/** Gives each command what it works with, once its options are known. */
export type ContextOf = (command: Command) => CliContext;

/** `interrupted` gives the signal of an interrupt, and from then on keeps the process from being ended by it. */
export function createContextOf(environment: CliEnvironment, interrupted: () => AbortSignal): ContextOf {
  return (command) => {
    const options = command.optsWithGlobals<GlobalOptions>();
    // The server has its own way to stop.
    const signal = command.name() === "serve" ? new AbortController().signal : interrupted();
    return { environment, options, output: createOutput(options, environment), signal };
  };
}
