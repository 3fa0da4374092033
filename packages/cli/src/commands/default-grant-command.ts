import { Argument, Command } from "commander";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import type { Open } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

const role = () => new Argument("<role>").choices(["read", "write", "admin"]);
const id = ["<id>", "as `grant default ls` shows it"] as const;

/** `entrepot grant default`: what new repositories of a namespace start with. */
export function defaultGrantCommand(open: Open): Command {
  const list = new Command("ls")
    .summary("list what new repositories of a namespace start with")
    .argument("<namespace>")
    .action(async (namespace: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(pathOf(namespace), "defaultGrants", "list default grants");
      const rows = cellsOf(found, ["id", "username", "team", "role", "creator"]).map(
        ([number = "", username = "", team = "", how = "", creator = ""]) => [
          number,
          username || `team:${team}`,
          how,
          creator === "" ? "" : `made by ${creator}`,
        ],
      );
      context.output.result(found, formatTable(rows));
    });
  const add = new Command("add")
    .summary("have new repositories start with a grant")
    .argument("<namespace>")
    .argument("<to>", "a user, a robot such as acme+ci, or team:NAME of the same organization")
    .addArgument(role())
    .option("--creator <name>", "only repositories that this one makes")
    .action(
      async (namespace: string, to: string, how: string, options: { creator?: string }, command: Command) => {
        const { context, client } = open(command);
        const subject = to.startsWith("team:") ? { team: to.slice("team:".length) } : { username: to };
        const made = await client.send("POST", pathOf(namespace), "add the default grant", {
          ...subject,
          role: how,
          ...(options.creator !== undefined && { creator: options.creator }),
        });
        context.output.result(made, [`${to} may ${how} new repositories of ${namespace}`]);
      },
    );
  const set = new Command("set")
    .summary("change the role of a default grant")
    .argument("<namespace>")
    .argument(...id)
    .addArgument(role())
    .action(async (namespace: string, number: string, how: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const done = await client.send("PATCH", pathOf(namespace, number), "change it", { role: how });
      context.output.result(done, [`default grant ${number}: ${how}`]);
    });
  const remove = new Command("rm")
    .summary("have new repositories start without a grant; what others got stays")
    .argument("<namespace>")
    .argument(...id)
    .action(async (namespace: string, number: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", pathOf(namespace, number), "delete it");
      context.output.result({ deleted: number }, [`default grant ${number} deleted`]);
    });
  const command = new Command("default").summary("manage what new repositories start with");
  for (const each of [list, add, set, remove]) command.addCommand(each);
  return command;
}

function pathOf(namespace: string, number?: string): string {
  const collection = `/api/v1/organizations/${encodeURIComponent(namespace)}/default-grants`;
  if (number === undefined) return collection;
  if (!/^\d{1,15}$/.test(number))
    throw new UsageError("a default grant is named by its number; grant default ls shows it");
  return `${collection}/${number}`;
}
