import { Command, Option } from "commander";
import { askConfirmation } from "../ask.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

interface Settings {
  readonly visibility?: string;
  readonly state?: string;
  readonly description?: string;
  readonly namespace?: string;
}

const base = "/api/v1/repositories";
const visibility = () =>
  new Option("--visibility <visibility>", "who may pull without a grant").choices([
    "private",
    "internal",
    "public",
  ]);

/** `entrepot repository`: makes, changes and renames repositories, and renames what they lie in. */
export function repositoryCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("list repositories that you may pull, with their settings")
    .option("--hidden", "the hidden ones instead; for administrators and auditors")
    .action(async (options: { readonly hidden?: true }, command: Command) => {
      const { context, client } = open(command);
      const path = options.hidden === true ? `${base}?state=hidden` : base;
      const found = await client.list(path, "repositories", "list repositories");
      context.output.result(
        found,
        formatTable(cellsOf(found, ["name", "visibility", "state", "description"])),
      );
    });
  const remove = new Command("rm")
    .summary("delete a repository with everything in it")
    .argument("<name>")
    .option("-y, --yes", "do not ask")
    .action(async (name: string, options: { readonly yes?: true }, command: Command) => {
      const { context, client } = open(command);
      const mayGoOn =
        options.yes === true ||
        (await askConfirmation(
          context,
          `Delete ${name} with everything in it?`,
          "without a terminal, deleting needs --yes",
        ));
      if (!mayGoOn) throw new Error("nothing was deleted");
      await client.send("DELETE", `${base}/${name}`, "delete the repository");
      context.output.result({ deleted: name }, [`${name} deleted`]);
    });
  const show = new Command("show")
    .summary("show a repository's settings")
    .argument("<name>")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.send("GET", `${base}/${name}`, "show the repository");
      const fields = ["name", "visibility", "state", "description", "createdAtMs"];
      const [values = []] = cellsOf([found], fields);
      context.output.result(found, formatTable(fields.map((field, index) => [field, values[index] ?? ""])));
    });
  const create = new Command("create")
    .summary("create an empty repository")
    .argument("<name>", "the whole name, such as acme/app")
    .addOption(visibility())
    .option("--description <text>", "for people")
    .option("--namespace <name>", "where a name of one component lies; else its first component")
    .action(async (name: string, options: Settings, command: Command) => {
      const { context, client } = open(command);
      const namespace = options.namespace ?? (name.includes("/") ? name.split("/")[0] : undefined);
      if (namespace === undefined) throw new UsageError(`${name} has one component: say its --namespace`);
      const path = `/api/v1/organizations/${encodeURIComponent(namespace)}/repositories`;
      const made = await client.send("POST", path, "create the repository", {
        name,
        ...(options.visibility !== undefined && { visibility: options.visibility }),
        ...(options.description !== undefined && { description: options.description }),
      });
      context.output.result(made, [`${name} is there now`]);
    });
  const set = new Command("set")
    .summary("change a repository's settings")
    .argument("<name>")
    .addOption(visibility())
    .addOption(
      new Option("--state <state>", "frozen = pulled, not changed; hidden = as if it were not there").choices(
        ["active", "frozen", "hidden"],
      ),
    )
    .option("--description <text>", "for people")
    .action(async (name: string, options: Settings, command: Command) => {
      const { context, client } = open(command);
      const { visibility: whom, state, description } = options;
      const change = {
        ...(whom !== undefined && { visibility: whom }),
        ...(state !== undefined && { state }),
        ...(description !== undefined && { description }),
      };
      if (Object.keys(change).length === 0) throw new UsageError("say what is to be changed");
      const done = await client.send("PATCH", `${base}/${name}`, "change the repository", change);
      const [[now = "", how = ""] = []] = cellsOf([done], ["visibility", "state"]);
      context.output.result(done, [`${name}: ${now}, ${how}`]);
    });
  const rename = new Command("rename")
    .summary("give a repository another name; it can still be pulled by the old one")
    .argument("<name>")
    .argument("<new-name>", "the whole new name, in this or another namespace")
    .action(async (name: string, to: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const done = await client.send("POST", `${base}/${name}/-/rename`, "rename it", { name: to });
      context.output.result(done, [`${name} is called ${to} now`]);
    });
  const renameOrganization = new Command("rename-organization")
    .summary("give an organization another name, with everything in it; the old one leads to it")
    .argument("<name>")
    .argument("<new-name>")
    .action(async (name: string, to: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const path = `/api/v1/organizations/${encodeURIComponent(name)}/rename`;
      const done = await client.send("POST", path, "rename it", { name: to });
      context.output.result(done, [`${name} is called ${to} now`]);
    });
  const command = managementCommand("repository", {
    summary: "create, change and rename repositories",
    description: "A push creates repositories, too, where their namespace has it so.",
    examples: [
      "repository create acme/app --visibility internal",
      "repository set acme/app --state frozen",
      "repository rename acme/app acme/shop/app",
    ],
  }).alias("repo");
  for (const each of [list, show, create, set, rename, renameOrganization, remove]) command.addCommand(each);
  return command;
}
