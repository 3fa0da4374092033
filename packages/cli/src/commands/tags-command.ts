import { Command } from "commander";
import { collect } from "../collect.ts";
import type { ContextOf } from "../command-context.ts";
import { parseImageArgument } from "../image-argument.ts";
import { withClient } from "../registry-access.ts";

/** `entrepot tags`: the tags of a repository. */
export function tagsCommand(contextOf: ContextOf): Command {
  return new Command("tags")
    .summary("list the tags of a repository")
    .argument("<image>", "[HOST/]NAME")
    .addHelpText("after", "\nExample:\n  entrepot tags registry.example.org/team/app")
    .action(async (text: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const { host, repository } = parseImageArgument(text, context.environment.defaultHost);
      const tags = await withClient(host, context, async (client) =>
        collect(client.listTags(repository, context.signal)),
      );
      context.output.result({ registry: host, repository, tags }, tags);
    });
}
