import { Command } from "commander";
import { changeOf } from "../change-of.ts";
import type { ContextOf } from "../command-context.ts";
import { graceOf, parseLabel, parseScope, parseTime } from "../credential-options.ts";
import { formatTable } from "../format-text.ts";
import { type LimitOptions, limitsFrom, withLimits } from "../limit-options.ts";
import { cellsOf, rowsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";

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
  const open = openManagement(contextOf);
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
  const show = new Command("show")
    .summary("show a credential with its limits and its secrets' numbers")
    .argument("<id>")
    .action(async (id: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.send("GET", pathOf(id), "show the credential");
      context.output.result(found, formatTable(rowsOf(found)));
    });
  const set = withLimits(new Command("set"))
    .summary("change what a credential carries, within the box; disable it")
    .argument("<id>")
    .option("--description <text>", "for people")
    .option("--scope <scope...>", "repositories[:tags]=actions")
    .option("--label <name=value...>", "words to find it by, in place of those it has")
    .option("--network <cidr...>", "good from these networks only")
    .option("--expires <time>", "when it ends: 30d, 12h, or a date")
    .option("--disable", "refuse it and all that was got with it, at once")
    .option("--enable", "let it in again")
    .action(
      async (id: string, options: IssueOptions & { disable?: true; enable?: true }, command: Command) => {
        const { description, scope, label, network, expires } = options;
        const change = changeOf({
          ...limitsFrom(options),
          description,
          scopes: scope?.map(parseScope),
          labels: label === undefined ? undefined : Object.fromEntries(label.map(parseLabel)),
          networks: network,
          expiresAtMs: expires === undefined ? undefined : parseTime(expires),
          isDisabled: options.disable === true ? true : options.enable === true ? false : undefined,
        });
        const { context, client } = open(command);
        const done = await client.send("PATCH", pathOf(id), "change the credential", change);
        context.output.result(done, formatTable(rowsOf(done)));
      },
    );
  const revokeSecret = new Command("revoke-secret")
    .summary("end one of the two secrets of a credential")
    .argument("<id>")
    .argument("<secret>", "its number, as `credential show` has it")
    .action(async (id: string, secret: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", `${pathOf(id)}/secrets/${encodeURIComponent(secret)}`, "end the secret");
      context.output.result({ revoked: secret }, [`secret ${secret} of ${id} ended`]);
    });
  const rotate = new Command("rotate")
    .summary("give a credential a new secret; the old one stays good for a while")
    .argument("<id>")
    .option("--grace <seconds>", "how long the old secret stays good; a day when left out")
    .action(async (id: string, options: { grace?: string }, command: Command) => {
      const { context, client } = open(command);
      const body = graceOf(options.grace);
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
  const command = managementCommand("credential", {
    summary: "issue credentials, signed in as an issuer",
    examples: [
      "credential create --external-id cust-17 --label tier=free --expires 90d",
      "credential rm --label tier=trial",
      "credential usage --label tier=free",
    ],
  });
  for (const each of [list, show, create, set, rotate, revokeSecret, remove, usage]) command.addCommand(each);
  return command;
}

function pathOf(id: string): string {
  return `${collection}/${encodeURIComponent(id)}`;
}
