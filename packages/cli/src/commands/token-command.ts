import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { type ParsedScope, parseScope, parseTime } from "../credential-options.ts";
import { formatTable } from "../format-text.ts";
import { type LimitOptions, limitsFrom, withLimits } from "../limit-options.ts";
import { cellsOf, managementClient } from "../management-client.ts";
import { UsageError } from "../usage-error.ts";

interface RegistryOption {
  readonly registry?: string;
}

const collection = "/api/v1/me/access-tokens";

/** `entrepot token`: one's own access tokens. */
export function tokenCommand(contextOf: ContextOf): Command {
  const open = (command: Command) => {
    const context = contextOf(command);
    const client = managementClient(context, command.optsWithGlobals<RegistryOption>().registry);
    const find = async (name: string) => {
      const tokens = await client.list(collection, "tokens", "list tokens");
      const found = tokens.find((token) => token["name"] === name || String(token["id"]) === name);
      if (found === undefined) throw new UsageError(`there is no token ${JSON.stringify(name)}`);
      return `${collection}/${String(found["id"])}`;
    };
    return { context, client, find };
  };
  const list = new Command("ls")
    .summary("list one's access tokens")
    .action(async (_options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(collection, "tokens", "list tokens");
      const fields = ["id", "name", "kind", "expiresAtMs", "lastUsedAtMs", "lastUsedAddress"];
      context.output.result(found, formatTable(cellsOf(found, fields)));
    });
  const create = withLimits(new Command("create"))
    .summary("make an access token; its secret is shown once")
    .argument("<name>")
    .option("--application", "good for the registry only, not for the management API")
    .option(
      "--scope <scope...>",
      "repositories[:tags]=actions, such as 'acme/app/**=pull' or 'acme/app:1.*=pull,push'",
    )
    .option("--network <cidr...>", "good from these networks only")
    .option("--expires <time>", "when it ends: 30d, 12h, or a date")
    .action(
      async (
        name: string,
        options: LimitOptions & {
          application?: true;
          scope?: string[];
          network?: string[];
          expires?: string;
        },
        command: Command,
      ) => {
        const { context, client } = open(command);
        const scopes: readonly ParsedScope[] | undefined = options.scope?.map(parseScope);
        const made = await client.send("POST", collection, "make the token", {
          name,
          ...(options.application === true && { kind: "application" }),
          ...(scopes !== undefined && { scopes }),
          ...(options.network !== undefined && { networks: options.network }),
          ...(options.expires !== undefined && { expiresAtMs: parseTime(options.expires) }),
          ...limitsFrom(options),
        });
        context.output.result(made, [String(made["secret"]), String(made["dockerLogin"])]);
      },
    );
  const rotate = new Command("rotate")
    .summary("give a token a new secret; the old one stays good for a while")
    .argument("<name-or-id>")
    .option("--grace <seconds>", "how long the old secret stays good; a day when left out")
    .action(async (name: string, options: { grace?: string }, command: Command) => {
      const { context, client, find } = open(command);
      const body = options.grace === undefined ? {} : { graceSeconds: Number(options.grace) };
      const made = await client.send("POST", `${await find(name)}/rotate`, "rotate the token", body);
      context.output.result(made, [String(made["secret"])]);
    });
  const remove = new Command("rm")
    .summary("revoke a token and all that was got with it")
    .argument("<name-or-id>")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client, find } = open(command);
      await client.send("DELETE", await find(name), "revoke the token");
      context.output.result({ revoked: name }, [`${name} revoked`]);
    });
  const usage = new Command("usage")
    .summary("what a token was used for, by day and repository")
    .argument("<name-or-id>")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client, find } = open(command);
      const rows = await client.list(`${await find(name)}/usage`, "usage", "read the usage");
      const fields = ["day", "repository", "pulls", "pushes", "bytesOut", "bytesIn"];
      context.output.result(rows, formatTable(cellsOf(rows, fields)));
    });
  const command = new Command("token")
    .summary("manage one's access tokens")
    .description("Access tokens stand in for a password, limited to what they are for.")
    .option("--registry <host>", "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot token create ci --scope 'acme/app/**=pull,push' --expires 90d\n  entrepot token rotate ci --grace 3600\n  entrepot token rm ci",
    );
  for (const each of [list, create, rotate, remove, usage]) command.addCommand(each);
  return command;
}
