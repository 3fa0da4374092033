import { Command } from "commander";
import { readPasswordFromStdin } from "../ask.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

/** `entrepot invitation`: invitations into teams, for both sides. */
export function invitationCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("list invitations that you can accept, or those of an organization that nobody has answered")
    .argument("[organization]")
    .action(async (organization: string | undefined, _options: object, command: Command) => {
      const { context, client } = open(command);
      const path = organization === undefined ? "/api/v1/me/invitations" : pathOf(organization);
      const found = await client.list(path, "invitations", "list invitations");
      const rows = cellsOf(found, [
        "id",
        "namespace",
        "team",
        "username",
        "email",
        "invitedBy",
        "expiresAtMs",
      ]).map(([id = "", namespace = "", team = "", username = "", email = "", by = "", until = ""]) => [
        id,
        `${namespace}/${team}`,
        username || email,
        by,
        until,
      ]);
      context.output.result(found, formatTable(rows));
    });
  const accept = new Command("accept")
    .summary("accept an invitation, by its number or by the code in its link")
    .argument("[id]", "as `invitation ls` shows it")
    .option("--token-stdin", "read the code behind #token= of the mail's link from standard input")
    .action(async (id: string | undefined, options: { readonly tokenStdin?: true }, command: Command) => {
      if ((id === undefined) === (options.tokenStdin === undefined))
        throw new UsageError("give a number, or --token-stdin");
      const { context, client } = open(command);
      const body = id === undefined ? { token: await readPasswordFromStdin() } : { id: numberOf(id) };
      const done = await client.send("POST", "/api/v1/invitations/accept", "accept the invitation", body);
      context.output.result(done, [`you are in ${String(done["namespace"])}/${String(done["team"])} now`]);
    });
  const decline = new Command("decline")
    .summary("decline an invitation")
    .argument("<id>")
    .action(async (id: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", `/api/v1/me/invitations/${numberOf(id)}`, "decline the invitation");
      context.output.result({ declined: numberOf(id) }, [`invitation ${id} declined`]);
    });
  const withdraw = new Command("withdraw")
    .summary("take an invitation back")
    .argument("<organization>")
    .argument("<id>", "as `invitation ls ORGANIZATION` shows it")
    .action(async (organization: string, id: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", `${pathOf(organization)}/${numberOf(id)}`, "take the invitation back");
      context.output.result({ withdrawn: numberOf(id) }, [`invitation ${id} withdrawn`]);
    });
  const command = managementCommand("invitation", {
    summary: "answer invitations into teams, and take them back",
    description: "Invitations are made with `entrepot team invite`.",
    examples: ["invitation ls", "invitation accept 17", "invitation ls acme", "invitation withdraw acme 17"],
  });
  for (const each of [list, accept, decline, withdraw]) command.addCommand(each);
  return command;
}

function pathOf(organization: string): string {
  return `/api/v1/organizations/${encodeURIComponent(organization)}/invitations`;
}

function numberOf(id: string): number {
  if (!/^[1-9]\d{0,14}$/.test(id))
    throw new UsageError("an invitation is named by its number; entrepot invitation ls shows it");
  return Number(id);
}
