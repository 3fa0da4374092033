import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

/** `entrepot team`: teams of an organization and who is in them. */
export function teamCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("list the teams of an organization, or the members of a team")
    .argument("<organization[/team]>")
    .action(async (text: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const [organization = "", team] = text.split("/");
      const base = `/api/v1/organizations/${organization}/teams`;
      const found =
        team === undefined
          ? await client.list(base, "teams", "list teams")
          : await client.list(`${base}/${team}/members`, "members", "list members");
      const fields = team === undefined ? ["name", "role", "description"] : ["username", "kind", "origin"];
      context.output.result(found, formatTable(cellsOf(found, fields)));
    });
  const set = new Command("set")
    .summary("create a team, or change its role")
    .argument("<organization/team>")
    .option("--role <role>", "in the organization: member, creator or admin")
    .option("--description <text>", "what it is for")
    .action(async (text: string, options: { role?: string; description?: string }, command: Command) => {
      const { context, client } = open(command);
      const { base, name } = parseTeam(text);
      const teams = await client.list(base, "teams", "list teams");
      const change = {
        ...(options.role !== undefined && { role: options.role }),
        ...(options.description !== undefined && { description: options.description }),
      };
      const done = teams.some((team) => team["name"] === name)
        ? await client.send("PATCH", `${base}/${name}`, "change the team", change)
        : await client.send("POST", base, "create the team", { name, ...change });
      context.output.result(done, [`${text}: ${String(done["role"])}`]);
    });
  const remove = new Command("rm")
    .summary("delete a team with what was granted to it")
    .argument("<organization/team>")
    .action(async (text: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const { base, name } = parseTeam(text);
      await client.send("DELETE", `${base}/${name}`, "delete the team");
      context.output.result({ deleted: text }, [`${text} deleted`]);
    });
  const member = (verb: "add" | "remove") =>
    new Command(verb)
      .summary(verb === "add" ? "put somebody into a team" : "take somebody out of a team")
      .argument("<organization/team>")
      .argument("<username...>", "people, or robots of the organization such as acme+ci")
      .action(async (text: string, usernames: readonly string[], _options: object, command: Command) => {
        const { context, client } = open(command);
        const { base, name } = parseTeam(text);
        const results: { readonly username: string; readonly outcome: string }[] = [];
        for (const username of usernames) {
          const path = `${base}/${name}/members/${encodeURIComponent(username)}`;
          const method = verb === "add" ? "PUT" : "DELETE";
          const reply = await client.send(method, path, `${verb} ${username}`);
          const added = reply["id"] === undefined ? "added" : "invited";
          results.push({ username, outcome: verb === "add" ? added : "removed" });
        }
        context.output.result(results, formatTable(results.map((one) => [one.username, one.outcome])));
      });
  const invite = new Command("invite")
    .summary("invite somebody into a team, by user name or e-mail address")
    .argument("<organization/team>")
    .argument("<username-or-email>")
    .action(async (text: string, invited: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const { base, name } = parseTeam(text);
      const body = invited.includes("@") ? { email: invited } : { username: invited };
      const made = await client.send("POST", `${base}/${name}/invitations`, `invite ${invited}`, body);
      context.output.result(made, [`${invited} is invited`]);
    });
  const command = managementCommand("team", {
    summary: "manage teams",
    description: "Teams are people and robots of an organization who get rights together.",
    examples: [
      "team set acme/release --role creator",
      "team add acme/release anna acme+ci",
      "team invite acme/release ben@acme.example",
      "team ls acme/release",
    ],
  });
  for (const each of [list, set, remove, member("add"), member("remove"), invite]) command.addCommand(each);
  return command;
}

function parseTeam(text: string): { readonly base: string; readonly name: string } {
  const [organization = "", name = "", ...rest] = text.split("/");
  if (organization === "" || name === "" || rest.length > 0) {
    throw new UsageError(`${JSON.stringify(text)} is no team; write organization/team`);
  }
  return { base: `/api/v1/organizations/${organization}/teams`, name };
}
