import { Command, Option } from "commander";
import { readPasswordFromStdin } from "../ask.ts";
import { changeOf } from "../change-of.ts";
import type { ContextOf } from "../command-context.ts";
import { graceOf, parseScope } from "../credential-options.ts";
import { formatTable } from "../format-text.ts";
import { type LimitOptions, limitsFrom, withLimits } from "../limit-options.ts";
import { cellsOf, rowsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { parseDays } from "../parse-days.ts";
import { UsageError } from "../usage-error.ts";

interface CreateOptions extends LimitOptions {
  readonly description?: string;
  readonly days?: string;
  readonly network?: readonly string[];
  readonly secretStdin?: true;
}

/** `entrepot robot`: accounts of programs. */
export function robotCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
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
    .option("--grace <seconds>", "how long the old one stays good; a day when left out")
    .addOption(new Option("--grace-seconds <n>", "former name of --grace").hideHelp())
    .action(async (text: string, options: { grace?: string; graceSeconds?: string }, command: Command) => {
      const { context, client } = open(command);
      const { collection, name } = parseRobot(text);
      const body = graceOf(options.grace ?? options.graceSeconds);
      const made = await client.send("POST", `${collection}/${name}/rotate`, "rotate the secret", body);
      context.output.note("The new secret, which is not shown again:");
      context.output.result(made, [String(made["secret"])]);
    });
  const show = new Command("show")
    .summary("show a robot with its limits and its secrets' numbers")
    .argument("<namespace+robot>")
    .action(async (text: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const { collection, name } = parseRobot(text);
      const found = await client.send("GET", `${collection}/${name}`, "show the robot");
      context.output.result(found, formatTable(rowsOf(found)));
    });
  const set = withLimits(new Command("set"))
    .summary("change what is said of a robot, its life and its limits")
    .argument("<namespace+robot>")
    .option("--description <text>", "what it is for")
    .option("--days <n>", "how many days it lives from now")
    .option("--network <cidr...>", "from where it may sign in")
    .option("--scope <scope...>", "repositories[:tags]=actions that it is limited to")
    .action(
      async (text: string, options: CreateOptions & { readonly scope?: string[] }, command: Command) => {
        const { description, days, network, scope } = options;
        const change = changeOf({
          ...limitsFrom(options),
          description,
          networks: network,
          scopes: scope?.map(parseScope),
          expiresAtMs: days === undefined ? undefined : parseDays(days),
        });
        const { context, client } = open(command);
        const { collection, name } = parseRobot(text);
        const done = await client.send("PATCH", `${collection}/${name}`, "change the robot", change);
        context.output.result(done, formatTable(rowsOf(done)));
      },
    );
  const revokeSecret = new Command("revoke-secret")
    .summary("end one of the two secrets of a robot")
    .argument("<namespace+robot>")
    .argument("<secret>", "its number, as `robot show` has it")
    .action(async (text: string, secret: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const { collection, name } = parseRobot(text);
      const path = `${collection}/${name}/secrets/${encodeURIComponent(secret)}`;
      await client.send("DELETE", path, "end the secret");
      context.output.result({ revoked: secret }, [`secret ${secret} of ${text} ended`]);
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
  const command = managementCommand("robot", {
    summary: "manage robots, the accounts of programs",
    description:
      "Robots belong to an organization or a user. They may nothing until they are granted something, and sign in as namespace+robot.",
    examples: [
      "robot create acme+ci --days 90",
      "grant set 'acme/app/**' acme+ci write",
      "robot rotate acme+ci --grace 3600",
      "robot ls acme",
    ],
  });
  const changes = [
    change("disable", "refuse a robot and all that was got with its secret, at once"),
    change("enable", "let a robot in again"),
    change("rm", "delete a robot"),
  ];
  for (const each of [list, show, create, set, rotate, revokeSecret, ...changes]) command.addCommand(each);
  return command;
}

function parseRobot(text: string): { readonly collection: string; readonly name: string } {
  const [namespace = "", name = "", ...rest] = text.split("+");
  if (namespace === "" || name === "" || rest.length > 0) {
    throw new UsageError(`${JSON.stringify(text)} is no robot; write namespace+robot`);
  }
  return { collection: `/api/v1/organizations/${namespace}/robots`, name };
}
