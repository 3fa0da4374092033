import { programVersion } from "@entrepot/server/app/program-version";
import { CommanderError } from "commander";
import { createContextOf } from "./command-context.ts";
import { takeEnvironment } from "./environment.ts";
import { exitCodes } from "./exit-codes.ts";
import { explainFailure } from "./explain-failure.ts";
import { createProgram } from "./program.ts";

const environment = takeEnvironment();
// A reader that has seen enough (`| head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

try {
  const program = createProgram(createContextOf(environment, catchInterrupt), programVersion);
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = tell(error);
}

/** The first signal ends the command in order, the second at once. */
function catchInterrupt(): AbortSignal {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => interrupt.abort(new Error("interrupted")));
  }
  return interrupt.signal;
}

/** One sentence on standard error; the exit code. */
function tell(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has said it already; help and version are no failures.
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  }
  const { sentence, exitCode } = explainFailure(error);
  process.stderr.write(`entrepot: ${sentence}\n`);
  if (environment.isDebug && error instanceof Error) process.stderr.write(`${error.stack ?? ""}\n`);
  return exitCode;
}
