import type { CliContext } from "./cli-context.ts";

/** `--config`, as the server's functions take it. */
export function serverConfig(context: CliContext): { readonly configFile?: string } {
  const { config } = context.options;
  return config === undefined ? {} : { configFile: config };
}
