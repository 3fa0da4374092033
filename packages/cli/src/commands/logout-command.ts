import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { removeCredentials } from "../docker-config.ts";
import { parseHostArgument } from "../image-argument.ts";

/** `entrepot logout`: forgets what login kept. */
export function logoutCommand(contextOf: ContextOf): Command {
  return new Command("logout")
    .summary("forget the credentials for a registry")
    .description("Removes a registry's credentials from docker's configuration. Fine when there are none.")
    .argument("[host]", "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out")
    .addHelpText("after", "\nExample:\n  entrepot logout registry.example.org")
    .action(async (hostText: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const host = parseHostArgument(hostText ?? context.environment.defaultHost);
      const removed = await removeCredentials(context.environment.dockerConfigDir, host);
      context.output.result({ registry: host, removed }, [
        removed ? `${host} is forgotten` : `nothing was known of ${host}`,
      ]);
    });
}
