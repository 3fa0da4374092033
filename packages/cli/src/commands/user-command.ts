import { Command, Option } from "commander";
import { askConfirmation, askPassword, readPasswordFromStdin } from "../ask.ts";
import { changeOf, given } from "../change-of.ts";
import type { CliContext } from "../cli-context.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf, rowsOf } from "../management-client.ts";
import { managementCommand, type Open, openManagement } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

const collection = "/api/v1/users";

/** `entrepot user`: accounts, for administrators; auditors may look. */
export function userCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const command = managementCommand("user", {
    summary: "manage the accounts of people",
    description:
      "Accounts of a running registry, for administrators. On the server's own machine, `entrepot admin create` is the way back in.",
    examples: [
      "user create anna",
      "user set anna --disable",
      "user set boris --auditor",
      "user tokens anna",
      "user ls --kind robot",
    ],
  });
  for (const each of [list(open), show(open), create(open), set(open), remove(open)])
    command.addCommand(each);
  for (const each of [tokens(open), revokeToken(open)]) command.addCommand(each);
  return command;
}

function list(open: Open): Command {
  return new Command("ls")
    .summary("list accounts by name")
    .argument("[prefix]", "what the name begins with")
    .addOption(
      new Option("--kind <kind>", "of one kind only; all but issued ones when left out").choices([
        "person",
        "robot",
        "issued",
        "issuer",
      ]),
    )
    .action(async (prefix: string | undefined, options: { readonly kind?: string }, command: Command) => {
      const { context, client } = open(command);
      const query = new URLSearchParams({
        ...(options.kind !== undefined && { kind: options.kind }),
        ...(prefix !== undefined && { q: prefix }),
      });
      const path = query.size === 0 ? collection : `${collection}?${query.toString()}`;
      const found = await client.list(path, "users", "list accounts");
      const rows = found.map((user) => [
        ...(cellsOf([user], ["username", "kind"])[0] ?? []),
        standingOf(user),
      ]);
      context.output.result(found, formatTable(rows));
    });
}

function standingOf(user: Readonly<Record<string, unknown>>): string {
  const words = { isAdmin: "administrator", isAuditor: "auditor", isDisabled: "disabled" };
  return Object.entries(words)
    .flatMap(([field, word]) => (user[field] === true ? [word] : []))
    .join(", ");
}

function show(open: Open): Command {
  return new Command("show")
    .summary("show an account")
    .argument("<user>")
    .action(async (user: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.send("GET", pathOf(user), "show the account");
      context.output.result(found, formatTable(rowsOf(found)));
    });
}

function create(open: Open): Command {
  return new Command("create")
    .summary("create a user, with a namespace of the same name")
    .argument("<user>")
    .option("--password-stdin", "read the password from standard input; asked for when left out")
    .option("--admin", "make an administrator")
    .action(async (username: string, options: { passwordStdin?: true; admin?: true }, command: Command) => {
      const { context, client } = open(command);
      const password = await newPassword(context, options.passwordStdin === true);
      const body = given({ username, password, isAdmin: options.admin });
      const made = await client.send("POST", collection, "create the user", body);
      context.output.result(made, [`${username} can sign in now`]);
    });
}

interface SetOptions {
  readonly admin?: boolean;
  readonly auditor?: boolean;
  readonly disable?: true;
  readonly enable?: true;
  readonly passwordStdin?: true;
  readonly newPassword?: true;
}

function set(open: Open): Command {
  return new Command("set")
    .summary("change a user's standing or password")
    .argument("<user>")
    .option("--admin", "make an administrator")
    .option("--no-admin", "no longer an administrator")
    .option("--auditor", "make an auditor, who reads everything and changes nothing")
    .option("--no-auditor", "no longer an auditor")
    .option("--disable", "refuse the user and all that was got by them, at once")
    .option("--enable", "let the user in again")
    .option("--new-password", "ask for a new password, which ends what was got with the old one")
    .option("--password-stdin", "read the new password from standard input")
    .action(async (user: string, options: SetOptions, command: Command) => {
      if (options.disable === true && options.enable === true) {
        throw new UsageError("--disable and --enable exclude each other");
      }
      const { context, client } = open(command);
      const isOnLine = (name: string) => command.getOptionValueSource(name) === "cli";
      const hasPassword = options.passwordStdin === true || options.newPassword === true;
      const change = changeOf({
        isAdmin: isOnLine("admin") ? options.admin : undefined,
        isAuditor: isOnLine("auditor") ? options.auditor : undefined,
        isDisabled: options.disable === true ? true : options.enable === true ? false : undefined,
        password: hasPassword ? await newPassword(context, options.passwordStdin === true) : undefined,
      });
      const done = await client.send("PATCH", pathOf(user), "change the user", change);
      context.output.result(done, formatTable(rowsOf(done)));
    });
}

function remove(open: Open): Command {
  return new Command("rm")
    .summary("delete a user who has no repositories, with everything they hold")
    .argument("<user>")
    .option("-y, --yes", "do not ask")
    .action(async (user: string, options: { readonly yes?: true }, command: Command) => {
      const { context, client } = open(command);
      const question = `Delete ${user} with tokens, robots and grants?`;
      const mayGoOn =
        options.yes === true ||
        (await askConfirmation(context, question, "without a terminal, deleting needs --yes"));
      if (!mayGoOn) throw new Error("nothing was deleted");
      await client.send("DELETE", pathOf(user), "delete the user");
      context.output.result({ deleted: user }, [`${user} deleted`]);
    });
}

function tokens(open: Open): Command {
  return new Command("tokens")
    .summary("list a user's access tokens")
    .argument("<user>")
    .action(async (user: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(`${pathOf(user)}/access-tokens`, "tokens", "list the tokens");
      const fields = ["id", "name", "kind", "expiresAtMs", "lastUsedAtMs", "lastUsedAddress"];
      context.output.result(found, formatTable(cellsOf(found, fields)));
    });
}

function revokeToken(open: Open): Command {
  return new Command("revoke-token")
    .summary("revoke a user's access token and all that was got with it")
    .argument("<user>")
    .argument("<id>", "as `user tokens` shows it")
    .action(async (user: string, id: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const path = `${pathOf(user)}/access-tokens/${encodeURIComponent(id)}`;
      await client.send("DELETE", path, "revoke the token");
      context.output.result({ revoked: id }, [`token ${id} of ${user} revoked`]);
    });
}

function pathOf(user: string): string {
  return `${collection}/${encodeURIComponent(user)}`;
}

async function newPassword(context: CliContext, isPiped: boolean): Promise<string> {
  if (isPiped) return readPasswordFromStdin();
  const password = await askPassword(context, "New password", "without a terminal, give --password-stdin");
  const again = await askPassword(context, "The same password again", "");
  if (password !== again) throw new UsageError("the two passwords differ; nothing was changed");
  return password;
}
