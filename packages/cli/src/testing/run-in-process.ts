import type { CliContext } from "../cli-context.ts";
import { createContextOf } from "../command-context.ts";
import type { CliEnvironment } from "../environment.ts";
import { createProgram } from "../program.ts";

/** Runs a command in this process, saying nothing; throws what it throws. For many commands in little time: nothing that reads standard input. */
export async function runInProcess(args: readonly string[], environment: CliEnvironment): Promise<void> {
  const contextOf = createContextOf(environment, () => new AbortController().signal);
  const silent: CliContext["output"] = {
    result: () => undefined,
    note: () => undefined,
    isDrawable: false,
    isInteractive: false,
    draw: () => undefined,
    columns: () => 80,
    emphasize: (text) => text,
  };
  const program = createProgram((command) => ({ ...contextOf(command), output: silent }), "0.0.0");
  await program.parseAsync([...args], { from: "user" });
}
