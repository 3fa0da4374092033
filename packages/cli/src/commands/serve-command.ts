import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { serverConfig } from "../server-config.ts";

/** `entrepot serve`: the registry itself, until a signal ends it. */
export function serveCommand(contextOf: ContextOf): Command {
  return new Command("serve")
    .summary("run the registry")
    .description(
      "Runs the registry until SIGTERM or SIGINT, then lets requests under way finish. Settings come from the file of --config and from ENTREPOT_… variables.",
    )
    .addHelpText("after", "\nExamples:\n  entrepot serve\n  entrepot serve --config /etc/entrepot.yaml")
    .action(async (_options: object, command: Command) => {
      // Loaded only here: no other command needs the server's code in memory.
      const { serve } = await import("@entrepot/server/app/serve");
      await serve(serverConfig(contextOf(command)));
    });
}
