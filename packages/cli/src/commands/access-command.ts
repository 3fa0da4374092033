import { isObject } from "@entrepot/oci/json-object";
import { Command, Option } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";

const actions = ["pull", "push", "delete", "admin"] as const;

/** `entrepot access`: who can do what with a repository, and why. */
export function accessCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("list everything that is granted on a repository, by patterns too")
    .argument("<repository>")
    .action(async (repository: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const path = `/api/v1/repositories/${repository}/-/access`;
      const found = await client.list(path, "grants", "list who has access");
      const rows = cellsOf(found, ["place", "username", "team", "role", "expiresAtMs"]).map(
        ([place = "", username = "", team = "", role = "", until = ""]) => [
          place,
          username || `team:${team}`,
          role,
          until,
        ],
      );
      context.output.result(found, formatTable(rows));
    });
  const explain = new Command("explain")
    .summary("tell why somebody may do something to a repository, or why not")
    .argument("<repository>")
    .argument("<user>", "a user or robot; anonymous is nobody in particular")
    .addOption(new Option("--action <action>", "one action; all of them when left out").choices([...actions]))
    .action(
      async (repository: string, user: string, options: { readonly action?: string }, command: Command) => {
        const { context, client } = open(command);
        const query = options.action === undefined ? "" : `?action=${options.action}`;
        const path = `/api/v1/repositories/${repository}/-/access/${encodeURIComponent(user)}${query}`;
        const answer = await client.send("GET", path, "explain access");
        const explained = Array.isArray(answer["actions"]) ? answer["actions"].filter(isObject) : [];
        context.output.result(answer, explained.flatMap(describeAction));
      },
    );
  const command = managementCommand("access", {
    summary: "see who may do what with a repository, and why",
    description: "For whoever administers the repository, and for auditors.",
    examples: ["access explain acme/app anna --action push", "access ls acme/app"],
  });
  for (const each of [list, explain]) command.addCommand(each);
  return command;
}

/** "push: no", and below it why. */
function describeAction(explained: Readonly<Record<string, unknown>>): readonly string[] {
  const isAllowed = explained["isAllowed"] === true;
  const because = Array.isArray(explained["because"]) ? explained["because"].filter(isObject) : [];
  const whyNot = Array.isArray(explained["whyNot"]) ? explained["whyNot"] : [];
  const reasons = isAllowed ? because.map((reason) => reason["sentence"]) : whyNot;
  return [
    `${String(explained["action"])}: ${isAllowed ? "yes" : "no"}`,
    ...reasons.map((reason) => `  ${String(reason)}`),
  ];
}
