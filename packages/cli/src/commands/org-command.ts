import { Command, Option } from "commander";
import { askConfirmation } from "../ask.ts";
import { changeOf } from "../change-of.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf, rowsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";

interface CreateOptions {
  readonly displayName?: string;
  readonly email?: string;
  readonly visibility?: string;
}

interface SetOptions extends CreateOptions {
  readonly description?: string;
  readonly createOnPush?: boolean;
}

const visibilityOption = () =>
  new Option("--visibility <visibility>", "of new repositories").choices(["private", "internal", "public"]);
const base = "/api/v1/organizations";

/** `entrepot org`: organizations. */
export function orgCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("list organizations that you are in, or all")
    .action(async (_options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(base, "organizations", "list organizations");
      context.output.result(found, formatTable(cellsOf(found, ["name", "displayName"])));
    });
  const show = new Command("show")
    .summary("show an organization with its teams")
    .argument("<organization>")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
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
    .addOption(visibilityOption())
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const { context, client } = open(command);
      const made = await client.send("POST", base, "create the organization", {
        name,
        ...(options.displayName !== undefined && { displayName: options.displayName }),
        ...(options.email !== undefined && { email: options.email }),
        ...(options.visibility !== undefined && { defaultVisibility: options.visibility }),
      });
      context.output.result(made, [`${name} is there now`]);
    });
  const set = new Command("set")
    .summary("change what is said of an organization, and what new repositories in it are like")
    .argument("<organization>", "or a user, for their own namespace")
    .option("--display-name <text>", "how people call it")
    .option("--email <address>", "its own e-mail address")
    .option("--description <text>", "what it is for")
    .addOption(visibilityOption())
    .option("--create-on-push", "the first push creates a repository")
    .option("--no-create-on-push", "repositories are created before the first push")
    .action(async (name: string, options: SetOptions, command: Command) => {
      const { context, client } = open(command);
      const { displayName, email, description, visibility, createOnPush } = options;
      const change = changeOf({
        displayName,
        email,
        description,
        defaultVisibility: visibility,
        // Commander takes an option that can be negated for given: only what stands on the line counts.
        createOnPush: command.getOptionValueSource("createOnPush") === "cli" ? createOnPush : undefined,
      });
      const done = await client.send("PATCH", `${base}/${encodeURIComponent(name)}`, "change it", change);
      context.output.result(done, formatTable(rowsOf(done)));
    });
  const remove = new Command("rm")
    .summary("delete an organization that has no repositories")
    .argument("<organization>")
    .option("-y, --yes", "do not ask")
    .action(async (name: string, options: { readonly yes?: true }, command: Command) => {
      const { context, client } = open(command);
      const question = `Delete ${name} with its teams, robots and grants?`;
      const mayGoOn =
        options.yes === true ||
        (await askConfirmation(context, question, "without a terminal, deleting needs --yes"));
      if (!mayGoOn) throw new Error("nothing was deleted");
      await client.send("DELETE", `${base}/${name}`, "delete the organization");
      context.output.result({ deleted: name }, [`${name} deleted`]);
    });
  const command = managementCommand("org", {
    summary: "manage organizations",
    description: "Organizations are namespaces that several people share, by teams.",
    examples: [
      "org create acme --email hello@acme.example",
      "org show acme",
      "org set acme --no-create-on-push --visibility internal",
      "org ls --registry registry.example.org",
    ],
  });
  for (const each of [list, show, create, set, remove]) command.addCommand(each);
  return command;
}
