import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { parseLabel, parseScope, parseTime } from "../credential-options.ts";
import { formatTable } from "../format-text.ts";
import { type LimitOptions, limitsFrom, withLimits } from "../limit-options.ts";
import { cellsOf, managementClient } from "../management-client.ts";

interface RegistryOption {
  readonly registry?: string;
}

interface IssueOptions extends LimitOptions {
  readonly name?: string;
  readonly externalId?: string;
  readonly scope?: string[];
  readonly label?: string[];
  readonly network?: string[];
  readonly expires?: string;
  readonly description?: string;
}

const collection = "/api/v1/issued-credentials";

/** `entrepot credential`: what an issuer does, signed in as one. */
export function credentialCommand(contextOf: ContextOf): Command {
  const open = (command: Command) => {
    const context = contextOf(command);
    return { context, client: managementClient(context, command.optsWithGlobals<RegistryOption>().registry) };
  };
  const list = new Command("ls")
    .summary("list the credentials that the issuer has made")
    .option("--label <name=value>", "only those with the label")
    .option("--external-id <id>", "only the one of that external id")
    .action(async (options: { label?: string; externalId?: string }, command: Command) => {
      const { context, client } = open(command);
      const query = new URLSearchParams({
        ...(options.label !== undefined && { label: options.label }),
        ...(options.externalId !== undefined && { externalId: options.externalId }),
      });
      const path = query.size === 0 ? collection : `${collection}?${query.toString()}`;
      const found = await client.list(path, "credentials", "list credentials");
      const fields = ["id", "username", "externalId", "expiresAtMs", "lastUsedAtMs", "isDisabled"];
      context.output.result(found, formatTable(cellsOf(found, fields)));
    });
  const create = withLimits(new Command("create"))
    .summary("issue a credential, or find the one of the same external id; its secret is shown once")
    .option("--name <name>", "last part of the account's name; one is made when left out")
    .option("--external-id <id>", "your own name for its holder: asked again, the same account is found")
    .option("--scope <scope...>", "repositories[:tags]=actions; all of the box when left out")
    .option("--label <name=value...>", "words to find it by")
    .option("--network <cidr...>", "good from these networks only")
    .option("--expires <time>", "when it ends: 30d, 12h, or a date")
    .option("--description <text>", "who has it")
    .action(async (options: IssueOptions, command: Command) => {
      const { context, client } = open(command);
      const made = await client.send("POST", collection, "issue the credential", {
        ...(options.name !== undefined && { name: options.name }),
        ...(options.externalId !== undefined && { externalId: options.externalId }),
        ...(options.description !== undefined && { description: options.description }),
        ...(options.scope !== undefined && { scopes: options.scope.map(parseScope) }),
        ...(options.label !== undefined && { labels: Object.fromEntries(options.label.map(parseLabel)) }),
        ...(options.network !== undefined && { networks: options.network }),
        ...(options.expires !== undefined && { expiresAtMs: parseTime(options.expires) }),
        ...limitsFrom(options),
      });
      const { secret, dockerLogin } = made;
      context.output.result(
        made,
        typeof secret === "string"
          ? [secret, String(dockerLogin)]
          : ["it was issued before; rotate it for a new secret"],
      );
    });
  const rotate = new Command("rotate")
    .summary("give a credential a new secret; the old one stays good for a while")
    .argument("<id>")
    .option("--grace <seconds>", "how long the old secret stays good; a day when left out")
    .action(async (id: string, options: { grace?: string }, command: Command) => {
      const { context, client } = open(command);
      const body = options.grace === undefined ? {} : { graceSeconds: Number(options.grace) };
      const path = `${collection}/${encodeURIComponent(id)}/rotate`;
      const made = await client.send("POST", path, "rotate the credential", body);
      context.output.result(made, [String(made["secret"])]);
    });
  const remove = new Command("rm")
    .summary("revoke credentials and all that was got with them")
    .argument("[id...]")
    .option("--label <name=value>", "all that have the label")
    .action(async (ids: readonly string[], options: { label?: string }, command: Command) => {
      const { context, client } = open(command);
      for (const id of ids) {
        await client.send("DELETE", `${collection}/${encodeURIComponent(id)}`, `revoke ${id}`);
      }
      let revoked = ids.length;
      if (options.label !== undefined) {
        const query = new URLSearchParams({ label: options.label }).toString();
        const reply = await client.send("DELETE", `${collection}?${query}`, "revoke by label");
        revoked += Number(reply["revoked"]);
      }
      context.output.result({ revoked }, [`${revoked} revoked`]);
    });
  const usage = new Command("usage")
    .summary("what credentials were used for, by day and repository")
    .argument("[id]", "one credential; the sum of all when left out")
    .option("--label <name=value>", "the sum of those with the label")
    .action(async (id: string | undefined, options: { label?: string }, command: Command) => {
      const { context, client } = open(command);
      const query =
        options.label === undefined ? "" : `?${new URLSearchParams({ label: options.label }).toString()}`;
      const path = `${collection}/${id === undefined ? "-" : encodeURIComponent(id)}/usage${query}`;
      const rows = await client.list(path, "usage", "read the usage");
      const fields = ["day", "repository", "pulls", "pushes", "bytesOut", "bytesIn"];
      context.output.result(rows, formatTable(cellsOf(rows, fields)));
    });
  const command = new Command("credential")
    .summary("issue credentials, signed in as an issuer")
    .option("--registry <host>", "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot credential create --external-id cust-17 --label tier=free --expires 90d\n  entrepot credential rm --label tier=trial\n  entrepot credential usage --label tier=free",
    );
  for (const each of [list, create, rotate, remove, usage]) command.addCommand(each);
  return command;
}
