import { Command } from "commander";
import type { CliContext } from "./cli-context.ts";
import type { ContextOf } from "./command-context.ts";
import { type ManagementClient, managementClient } from "./management-client.ts";

/** What a command that manages a running registry works with. */
export interface Opened {
  readonly context: CliContext;
  readonly client: ManagementClient;
  readonly registry: string | undefined;
}

export type Open = (command: Command) => Opened;

/** Opens the registry that a command or one above it names with `--registry`, else the default one. */
export function openManagement(contextOf: ContextOf): Open {
  return (command) => {
    const context = contextOf(command);
    const { registry } = command.optsWithGlobals<{ readonly registry?: string }>();
    return { context, client: managementClient(context, registry), registry };
  };
}

/** A group of commands for a running registry. */
export function managementCommand(
  name: string,
  texts: { readonly summary: string; readonly description?: string; readonly examples: readonly string[] },
): Command {
  const command = new Command(name)
    .summary(texts.summary)
    .option("--registry <host>", "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out")
    .addHelpText(
      "after",
      `\nExamples:\n${texts.examples.map((example) => `  entrepot ${example}`).join("\n")}`,
    );
  return command.description(
    texts.description ?? `${texts.summary[0]?.toUpperCase() ?? ""}${texts.summary.slice(1)}.`,
  );
}
