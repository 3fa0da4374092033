import type { Environment } from "./load-config.ts";

/** The one place where the process environment is read. */
export function processEnvironment(): Environment {
  return process.env;
}
