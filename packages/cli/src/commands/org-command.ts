import { Command } from "commander";
import { askConfirmation } from "../ask.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf, managementClient } from "../management-client.ts";

interface RegistryOption {
  readonly registry?: string;
}

interface CreateOptions extends RegistryOption {
  readonly displayName?: string;
  readonly email?: string;
  readonly visibility?: string;
}

const base = "/api/v1/organizations";

/** `entrepot org`: organizations. */
export function orgCommand(contextOf: ContextOf): Command {
  const list = new Command("ls")
    .summary("list organizations that you are in, or all")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const { registry } = command.optsWithGlobals<RegistryOption>();
      const found = await managementClient(context, registry).list(
        base,
        "organizations",
        "list organizations",
      );
      context.output.result(found, formatTable(cellsOf(found, ["name", "displayName"])));
    });
  const show = new Command("show")
    .summary("show an organization with its teams")
    .argument("<organization>")
    .action(async (name: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const client = managementClient(context, command.optsWithGlobals<RegistryOption>().registry);
      const organization = await client.send("GET", `${base}/${name}`, "show the organization");
      const teams = await client.list(`${base}/${name}/teams`, "teams", "list teams");
      const outside = await client.list(
        `${base}/${name}/collaborators`,
        "collaborators",
        "list collaborators",
      );
      const fields = ["name", "displayName", "email", "defaultVisibility", "createOnPush"];
      const rows = fields.map((field) => [field, ...(cellsOf([organization], [field])[0] ?? [])]);
      const lines = formatTable([
        ...rows,
        ...cellsOf(teams, ["name", "role"]).map(([team = "", role = ""]) => ["team", team, role]),
        ...cellsOf(outside, ["username"]).map(([username = ""]) => ["collaborator", username]),
      ]);
      context.output.result({ ...organization, teams, collaborators: outside }, lines);
    });
  const create = new Command("create")
    .summary("create an organization, administered by its team owners, which you are in")
    .argument("<organization>")
    .option("--display-name <text>", "how people call it")
    .option("--email <address>", "its own e-mail address")
    .option("--visibility <visibility>", "of new repositories: private, internal or public")
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const context = contextOf(command);
      const client = managementClient(context, command.optsWithGlobals<RegistryOption>().registry);
      const made = await client.send("POST", base, "create the organization", {
        name,
        ...(options.displayName !== undefined && { displayName: options.displayName }),
        ...(options.email !== undefined && { email: options.email }),
        ...(options.visibility !== undefined && { defaultVisibility: options.visibility }),
      });
      context.output.result(made, [`${name} is there now`]);
    });
  const remove = new Command("rm")
    .summary("delete an organization that has no repositories")
    .argument("<organization>")
    .option("-y, --yes", "do not ask")
    .action(async (name: string, options: { readonly yes?: true }, command: Command) => {
      const context = contextOf(command);
      const question = `Delete ${name} with its teams, robots and grants?`;
      const mayGoOn =
        options.yes === true ||
        (await askConfirmation(context, question, "without a terminal, deleting needs --yes"));
      if (!mayGoOn) throw new Error("nothing was deleted");
      const client = managementClient(context, command.optsWithGlobals<RegistryOption>().registry);
      await client.send("DELETE", `${base}/${name}`, "delete the organization");
      context.output.result({ deleted: name }, [`${name} deleted`]);
    });
  const command = new Command("org")
    .summary("manage organizations")
    .description("Organizations are namespaces that several people share, by teams.")
    .option("--registry <host>", "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot org create acme --email hello@acme.example\n  entrepot org show acme\n  entrepot org ls --registry registry.example.org",
    );
  for (const each of [list, show, create, remove]) command.addCommand(each);
  return command;
}
