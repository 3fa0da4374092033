import type { Command } from "commander";

/** Options of every command; they may stand before or behind its name. */
export interface GlobalOptions {
  readonly json?: true;
  readonly plainHttp?: true;
  readonly insecure?: true;
  readonly caFile?: string;
  readonly config?: string;
  readonly quiet?: true;
  /** Commander's form of `--no-color`. */
  readonly color: boolean;
}

/** Declares them on the program, once. */
export function addGlobalOptions(program: Command): Command {
  return program
    .option("--json", "print the result as JSON on standard output; everything else goes to standard error")
    .option("--plain-http", "speak http, not https, also with registries that are not on this machine")
    .option("--insecure", "take any TLS certificate")
    .option(
      "--ca-file <file>",
      "trust the certificate authorities of this PEM file instead of the built-in ones",
    )
    .option("--config <file>", "configuration file of the registry, for commands on its own machine")
    .option("-q, --quiet", "print nothing but the result and errors")
    .option("--no-color", "print without colours");
}
