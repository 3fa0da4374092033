import { Command } from "commander";
import { readPasswordFromStdin } from "../ask.ts";
import type { CliContext } from "../cli-context.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { type LimitOptions, limitsFrom, withLimits } from "../limit-options.ts";
import { cellsOf, type ManagementClient, managementClient } from "../management-client.ts";
import { parseDays } from "../parse-days.ts";
import { UsageError } from "../usage-error.ts";

interface RegistryOption {
  readonly registry?: string;
}

interface CreateOptions extends LimitOptions {
  readonly description?: string;
  readonly days?: string;
  readonly network?: readonly string[];
  readonly secretStdin?: true;
}

/** `entrepot robot`: accounts of programs. */
export function robotCommand(contextOf: ContextOf): Command {
  const open = (command: Command): { readonly context: CliContext; readonly client: ManagementClient } => {
    const context = contextOf(command);
    return { context, client: managementClient(context, command.optsWithGlobals<RegistryOption>().registry) };
  };
  const list = new Command("ls")
    .summary("list the robots of an organization or user")
    .argument("<namespace>")
    .action(async (namespace: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(`/api/v1/organizations/${namespace}/robots`, "robots", "list robots");
      const fields = ["username", "isDisabled", "expiresAtMs", "lastUsedAtMs", "description"];
      context.output.result(found, formatTable(cellsOf(found, fields)));
    });
  const create = withLimits(new Command("create").summary("make a robot; prints its secret once"))
    .argument("<namespace+robot>")
    .option("--description <text>", "what it is for")
    .option("--days <n>", "how many days it lives; for good when left out")
    .option("--network <cidr...>", "from where it may sign in")
    .option("--secret-stdin", "read its secret from standard input instead of having one made")
    .action(async (text: string, options: CreateOptions, command: Command) => {
      const { context, client } = open(command);
      const { collection, name } = parseRobot(text);
      const body = {
        name,
        ...(options.description !== undefined && { description: options.description }),
        ...(options.days !== undefined && { expiresAtMs: parseDays(options.days) }),
        ...(options.network !== undefined && { networks: options.network }),
        ...limitsFrom(options),
        ...(options.secretStdin === true && { secret: await readPasswordFromStdin() }),
      };
      const made = await client.send("POST", collection, "make the robot", body);
      context.output.note(`${text} is there now. Its secret, which is not shown again:`);
      context.output.result(made, [String(made["secret"])]);
    });
  const rotate = new Command("rotate")
    .summary("give a robot a new secret; prints it once")
    .argument("<namespace+robot>")
    .option("--grace-seconds <n>", "how long the old one stays good; a day when left out")
    .action(async (text: string, options: { graceSeconds?: string }, command: Command) => {
      const { context, client } = open(command);
      const { collection, name } = parseRobot(text);
      const { graceSeconds } = options;
      if (graceSeconds !== undefined && !/^\d{1,9}$/.test(graceSeconds)) {
        throw new UsageError("--grace-seconds must be a whole number");
      }
      const made = await client.send("POST", `${collection}/${name}/rotate`, "rotate the secret", {
        ...(graceSeconds !== undefined && { graceSeconds: Number(graceSeconds) }),
      });
      context.output.note("The new secret, which is not shown again:");
      context.output.result(made, [String(made["secret"])]);
    });
  const change = (verb: "disable" | "enable" | "rm", summary: string) =>
    new Command(verb)
      .summary(summary)
      .argument("<namespace+robot>")
      .action(async (text: string, _options: object, command: Command) => {
        const { context, client } = open(command);
        const { collection, name } = parseRobot(text);
        const path = `${collection}/${name}`;
        if (verb === "rm") await client.send("DELETE", path, "delete the robot");
        else await client.send("PATCH", path, `${verb} the robot`, { isDisabled: verb === "disable" });
        context.output.result({ robot: text, done: verb }, [
          `${text}: ${verb === "rm" ? "deleted" : `${verb}d`}`,
        ]);
      });
  const command = new Command("robot")
    .summary("manage robots, the accounts of programs")
    .description(
      "Robots belong to an organization or a user. They may nothing until they are granted something, and sign in as namespace+robot.",
    )
    .option("--registry <host>", "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot robot create acme+ci --days 90\n  entrepot grant set 'acme/app/**' acme+ci write\n  entrepot robot rotate acme+ci --grace-seconds 3600\n  entrepot robot ls acme",
    );
  const changes = [
    change("disable", "refuse a robot and all that was got with its secret, at once"),
    change("enable", "let a robot in again"),
    change("rm", "delete a robot"),
  ];
  for (const each of [list, create, rotate, ...changes]) command.addCommand(each);
  return command;
}

function parseRobot(text: string): { readonly collection: string; readonly name: string } {
  const [namespace = "", name = "", ...rest] = text.split("+");
  if (namespace === "" || name === "" || rest.length > 0) {
    throw new UsageError(`${JSON.stringify(text)} is no robot; write namespace+robot`);
  }
  return { collection: `/api/v1/organizations/${namespace}/robots`, name };
}
