import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { graceOf } from "../credential-options.ts";
import { formatTable } from "../format-text.ts";
import { limitsFrom } from "../limit-options.ts";
import { cellsOf, rowsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { parseWholeNumber } from "../parse-whole-number.ts";

interface BoxOptions {
  readonly repositories?: string[];
  readonly actions?: string;
  readonly maxLifetime?: string;
  readonly maxActive?: string;
  readonly requireExpiry?: true;
  readonly network?: string[];
  readonly maxPullsPerHour?: string;
  readonly description?: string;
}

/** `entrepot issuer`: principals that make credentials for others. */
export function issuerCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("list the issuers of an organization, or those of the whole registry")
    .argument("[organization]")
    .action(async (organization: string | undefined, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(baseOf(organization), "issuers", "list issuers");
      const fields = ["name", "username", "repositories", "actions", "isDisabled"];
      context.output.result(found, formatTable(cellsOf(found, fields)));
    });
  const show = new Command("show")
    .summary("show an issuer and its box")
    .argument("<organization/issuer>")
    .action(async (text: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const { base, name } = parseIssuer(text);
      const found = await client.send("GET", `${base}/${name}`, "show the issuer");
      context.output.result(found, formatTable(rowsOf(found)));
    });
  const create = withBox(new Command("create").summary("make an issuer; its secret is shown once"))
    .argument("<organization/issuer>", "or a name alone, for the whole registry")
    .action(async (text: string, options: BoxOptions, command: Command) => {
      const { context, client } = open(command);
      const { base, name } = parseIssuer(text);
      const made = await client.send("POST", base, "make the issuer", { name, ...boxOf(options) });
      context.output.result(made, [String(made["secret"])]);
    });
  const change = withBox(
    new Command("set").summary("change the box of an issuer, and with it all that it has issued"),
  )
    .argument("<organization/issuer>")
    .option("--disable", "stop it, and all that it has issued")
    .option("--enable", "let it work again")
    .action(
      async (text: string, options: BoxOptions & { disable?: true; enable?: true }, command: Command) => {
        const { context, client } = open(command);
        const { base, name } = parseIssuer(text);
        const done = await client.send("PATCH", `${base}/${name}`, "change the issuer", {
          ...boxOf(options),
          ...(options.disable === true && { isDisabled: true }),
          ...(options.enable === true && { isDisabled: false }),
        });
        context.output.result(done, [`${text} changed`]);
      },
    );
  const rotate = new Command("rotate")
    .summary("give an issuer a new secret of its own")
    .argument("<organization/issuer>")
    .option("--grace <seconds>", "how long the old secret stays good; a day when left out")
    .action(async (text: string, options: { grace?: string }, command: Command) => {
      const { context, client } = open(command);
      const { base, name } = parseIssuer(text);
      const body = graceOf(options.grace);
      const made = await client.send("POST", `${base}/${name}/rotate`, "rotate the issuer", body);
      context.output.result(made, [String(made["secret"])]);
    });
  const remove = new Command("rm")
    .summary("delete an issuer and everything that it has issued")
    .argument("<organization/issuer>")
    .action(async (text: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const { base, name } = parseIssuer(text);
      await client.send("DELETE", `${base}/${name}`, "delete the issuer");
      context.output.result({ deleted: text }, [`${text} deleted`]);
    });
  const command = managementCommand("issuer", {
    summary: "manage issuers of credentials",
    description:
      "An issuer makes credentials for others, within a box of repositories and actions, and does nothing else.",
    examples: [
      "issuer create acme/vendor --repositories 'acme/free/**' --actions pull --max-lifetime 7776000",
      "issuer set acme/vendor --disable",
    ],
  });
  for (const each of [list, show, create, change, rotate, remove]) command.addCommand(each);
  return command;
}

function withBox(command: Command): Command {
  return command
    .option("--repositories <pattern...>", "such as 'acme/free/**'")
    .option("--actions <actions>", "of pull, push and delete, separated by commas")
    .option("--max-lifetime <seconds>", "longest life of a credential")
    .option("--max-active <number>", "credentials that are good at one time")
    .option("--require-expiry", "every credential must say when it ends")
    .option("--network <cidr...>", "credentials are good from these networks only")
    .option("--max-pulls-per-hour <n>", "most that one credential may pull")
    .option("--description <text>");
}

function boxOf(options: BoxOptions) {
  return {
    ...(options.repositories !== undefined && { repositories: options.repositories }),
    ...(options.actions !== undefined && { actions: options.actions.split(",") }),
    ...(options.maxLifetime !== undefined && {
      maxLifetimeSeconds: parseWholeNumber(options.maxLifetime, "--max-lifetime", 1, 999_999_999),
    }),
    ...(options.maxActive !== undefined && {
      maxActive: parseWholeNumber(options.maxActive, "--max-active", 1, 999_999_999),
    }),
    ...(options.requireExpiry === true && { requireExpiry: true }),
    ...(options.network !== undefined && { networks: options.network }),
    ...limitsFrom(options.maxPullsPerHour === undefined ? {} : { maxPullsPerHour: options.maxPullsPerHour }),
    ...(options.description !== undefined && { description: options.description }),
  };
}

function baseOf(organization: string | undefined): string {
  return organization === undefined
    ? "/api/v1/issuers"
    : `/api/v1/organizations/${encodeURIComponent(organization)}/issuers`;
}

function parseIssuer(text: string): { readonly base: string; readonly name: string } {
  const slash = text.indexOf("/");
  const organization = slash < 0 ? undefined : text.slice(0, slash);
  return { base: baseOf(organization), name: encodeURIComponent(text.slice(slash + 1)) };
}
