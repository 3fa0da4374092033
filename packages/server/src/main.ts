import { parseArgs } from "node:util";
import { serve } from "./app/serve.ts";
import { ConfigError } from "./config/setting-error.ts";
import { AppError } from "./lib/app-error.ts";

const usage = `Usage: npm start -- [--config FILE]

Runs the registry. Settings come from the file and from ENTREPOT_… variables; docs/reference/config.md has them all.
`;

try {
  const { values } = parseArgs({
    options: { config: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help === true) process.stdout.write(usage);
  else await serve(values.config === undefined ? {} : { configFile: values.config });
} catch (error) {
  // What a person can mend is told as a sentence; anything else is a bug and keeps its stack.
  const isExpected = error instanceof ConfigError || error instanceof AppError || isUsageError(error);
  process.stderr.write(
    `${isExpected && error instanceof Error ? `entrepot: ${error.message}` : describe(error)}\n`,
  );
  process.exitCode = 1;
}

function isUsageError(error: unknown): boolean {
  return error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
