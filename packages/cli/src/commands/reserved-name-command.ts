import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";

const base = "/api/v1/reserved-names";

/** `entrepot reserved-name`: names that no new namespace can have. */
export function reservedNameCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("list reserved names, and old names of renamed organizations")
    .action(async (_options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(base, "names", "list reserved names");
      const rows = cellsOf(found, ["name", "namespace"]).map(([name = "", namespace = ""]) => [
        name,
        namespace === "" ? "" : `leads to ${namespace}`,
      ]);
      context.output.result(found, formatTable(rows));
    });
  const add = new Command("add")
    .summary("reserve a name that is free")
    .argument("<name>")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("PUT", `${base}/${encodeURIComponent(name)}`, "reserve it");
      context.output.result({ name }, [`${name} is reserved`]);
    });
  const remove = new Command("rm")
    .summary("give a name back, so that anybody can take it")
    .argument("<name>")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", `${base}/${encodeURIComponent(name)}`, "give it back");
      context.output.result({ name }, [`${name} is free`]);
    });
  const command = managementCommand("reserved-name", {
    summary: "manage names that nobody can take",
    description: "Reserved names are refused for users, organizations and pushes. For administrators.",
    examples: ["reserved-name add nginx", "reserved-name ls"],
  });
  for (const each of [list, add, remove]) command.addCommand(each);
  return command;
}
