import { Command } from "commander";
import { changeOf } from "../change-of.ts";
import type { ContextOf } from "../command-context.ts";
import { graceOf, type ParsedScope, parseScope, parseTime } from "../credential-options.ts";
import { formatTable } from "../format-text.ts";
import { type LimitOptions, limitsFrom, withLimits } from "../limit-options.ts";
import { cellsOf, rowsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

const collection = "/api/v1/me/access-tokens";

/** `entrepot token`: one's own access tokens. */
export function tokenCommand(contextOf: ContextOf): Command {
  const openAny = openManagement(contextOf);
  const open = (command: Command) => {
    const { context, client } = openAny(command);
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
      const body = graceOf(options.grace);
      const made = await client.send("POST", `${await find(name)}/rotate`, "rotate the token", body);
      context.output.result(made, [String(made["secret"])]);
    });
  const show = new Command("show")
    .summary("show a token with its limits and its secrets' numbers")
    .argument("<name-or-id>")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client, find } = open(command);
      const found = await client.send("GET", await find(name), "show the token");
      context.output.result(found, formatTable(rowsOf(found)));
    });
  const set = withLimits(new Command("set"))
    .summary("change a token's name, networks and life; narrow its scopes")
    .argument("<name-or-id>")
    .option("--name <name>", "its new name")
    .option("--scope <scope...>", "repositories[:tags]=actions, within those that it has")
    .option("--network <cidr...>", "good from these networks only")
    .option("--expires <time>", "when it ends: 30d, 12h, or a date")
    .action(
      async (
        which: string,
        options: LimitOptions & { name?: string; scope?: string[]; network?: string[]; expires?: string },
        command: Command,
      ) => {
        const { name, scope, network, expires } = options;
        const change = changeOf({
          ...limitsFrom(options),
          name,
          scopes: scope?.map(parseScope),
          networks: network,
          expiresAtMs: expires === undefined ? undefined : parseTime(expires),
        });
        const { context, client, find } = open(command);
        const done = await client.send("PATCH", await find(which), "change the token", change);
        context.output.result(done, formatTable(rowsOf(done)));
      },
    );
  const revokeSecret = new Command("revoke-secret")
    .summary("end one of the two secrets of a token")
    .argument("<name-or-id>")
    .argument("<secret>", "its number, as `token show` has it")
    .action(async (name: string, secret: string, _options: object, command: Command) => {
      const { context, client, find } = open(command);
      await client.send(
        "DELETE",
        `${await find(name)}/secrets/${encodeURIComponent(secret)}`,
        "end the secret",
      );
      context.output.result({ revoked: secret }, [`secret ${secret} of ${name} ended`]);
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
  const command = managementCommand("token", {
    summary: "manage one's access tokens",
    description: "Access tokens stand in for a password, limited to what they are for.",
    examples: [
      "token create ci --scope 'acme/app/**=pull,push' --expires 90d",
      "token rotate ci --grace 3600",
      "token rm ci",
    ],
  });
  for (const each of [list, show, create, set, rotate, revokeSecret, remove, usage]) command.addCommand(each);
  return command;
}
