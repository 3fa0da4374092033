import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { parseHostArgument } from "../image-argument.ts";
import { withClient } from "../registry-access.ts";

/** `entrepot ls`: the repositories of a registry. */
export function lsCommand(contextOf: ContextOf): Command {
  return new Command("ls")
    .summary("list repositories")
    .description(
      "Lists the repositories of a registry that you may read, all of them or those under a prefix.",
    )
    .argument("[host/prefix]", "registry and path; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot ls registry.example.org\n  entrepot ls registry.example.org/team/",
    )
    .action(async (text: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const [hostText = "", ...path] = (text ?? context.environment.defaultHost)
        .replace(/^https?:\/\//, "")
        .split("/");
      const prefix = path.join("/").replace(/\/+$/, "");
      const repositories = await withClient(parseHostArgument(hostText), context, async (client) => {
        const found: string[] = [];
        for await (const name of client.listRepositories(context.signal)) {
          if (prefix === "" || name === prefix || name.startsWith(`${prefix}/`)) found.push(name);
        }
        return found;
      });
      context.output.result({ registry: hostText, repositories }, repositories);
    });
}
