import { Command } from "commander";
import { askPassword, readPasswordFromStdin } from "../ask.ts";
import { changeOf } from "../change-of.ts";
import type { CliContext } from "../cli-context.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf, rowsOf } from "../management-client.ts";
import { managementCommand, type Open, openManagement } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

/** `entrepot account`: one's own account. */
export function accountCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const command = managementCommand("account", {
    summary: "see who you are, and change your own account",
    examples: [
      "account show",
      "account set --full-name 'Anna Example'",
      "account set --new-password",
      "account client-password",
      "account identities",
    ],
  });
  const all = [show(open), set(open), clientPassword(open), identities(open), link(open), unlink(open)];
  for (const each of all) command.addCommand(each);
  return command;
}

function show(open: Open): Command {
  return new Command("show")
    .summary("who you are to the registry, and by what")
    .action(async (_options: object, command: Command) => {
      const { context, client } = open(command);
      const me = await client.send("GET", "/api/v1/me", "ask who you are");
      // Accounts of programs have no such thing, and tokens with scopes may not see it.
      const account = await client.send("GET", "/api/v1/me/account", "read your account").catch(() => ({}));
      const found = { ...me, ...account };
      context.output.result(found, formatTable(rowsOf(found)));
    });
}

interface SetOptions {
  readonly fullName?: string;
  readonly email?: string;
  readonly newPassword?: true;
  readonly passwordStdin?: true;
}

function set(open: Open): Command {
  return new Command("set")
    .summary("change your name, e-mail address or password")
    .description(
      "A new address counts once the link that is mailed to it is followed. A new password ends every sign-in that was got with the old one: docker's and this command's, too.",
    )
    .option("--full-name <name>", '"" takes it away')
    .option("--email <address>", "your new address")
    .option("--new-password", "change your password")
    .option(
      "--password-stdin",
      "read your present password from standard input, and the new one from the line after it",
    )
    .action(async (options: SetOptions, command: Command) => {
      const { context, client } = open(command);
      const needsPassword = options.email !== undefined || options.newPassword === true;
      const passwords = needsPassword ? await ownPasswords(context, options) : {};
      const change = changeOf({ fullName: options.fullName, email: options.email, ...passwords });
      const done = await client.send("PATCH", "/api/v1/me", "change your account", change);
      context.output.result(done, formatTable(rowsOf(done)));
      if (options.newPassword === true)
        context.output.note("Run entrepot login again, with the new password.");
    });
}

async function ownPasswords(context: CliContext, options: SetOptions) {
  const isNew = options.newPassword === true;
  if (options.passwordStdin === true) {
    const [currentPassword, password, ...rest] = (await readPasswordFromStdin()).split("\n");
    if (rest.length > 0 || (password !== undefined) !== isNew) {
      throw new UsageError(
        "standard input must have your present password and, with --new-password, a line with the new one",
      );
    }
    return { currentPassword, password };
  }
  const instead = "without a terminal, give --password-stdin";
  const currentPassword = await askPassword(context, "Present password", instead);
  if (!isNew) return { currentPassword };
  const password = await askPassword(context, "New password", instead);
  if (password !== (await askPassword(context, "The same password again", instead))) {
    throw new UsageError("the two passwords differ; nothing was changed");
  }
  return { currentPassword, password };
}

function clientPassword(open: Open): Command {
  return new Command("client-password")
    .summary("print what docker can use in place of your password")
    .description(
      "Prints text for `docker login` that stands for your password without holding it, good for pulling and pushing only, until the password is changed.",
    )
    .option("--password-stdin", "read your password from standard input; asked for when left out")
    .action(async (options: { readonly passwordStdin?: true }, command: Command) => {
      const { context, client } = open(command);
      const password = await onePassword(context, "Your password", options.passwordStdin === true);
      const made = await client.send("POST", "/api/v1/me/client-password", "make it", { password });
      context.output.result(made, [String(made["secret"])]);
    });
}

function identities(open: Open): Command {
  return new Command("identities")
    .summary("list your accounts at sign-in providers")
    .action(async (_options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list("/api/v1/me/identities", "identities", "list your identities");
      context.output.result(found, formatTable(cellsOf(found, ["id", "provider", "username"])));
    });
}

function link(open: Open): Command {
  return new Command("link")
    .summary("link your account at a provider that takes name and password, such as a directory")
    .description("Providers that you sign in to with a browser are linked with a browser, too.")
    .argument("<provider>")
    .requiredOption("-u, --username <name>", "your name there")
    .option("--password-stdin", "read your password there from standard input; asked for when left out")
    .action(
      async (provider: string, options: { username: string; passwordStdin?: true }, command: Command) => {
        const { context, client } = open(command);
        const { username } = options;
        const password = await onePassword(
          context,
          `Password at ${provider}`,
          options.passwordStdin === true,
        );
        const body = { provider, username, password };
        const done = await client.send("POST", "/api/v1/me/identities", "link it", body);
        context.output.result(done, [`${username} at ${provider} is you now`]);
      },
    );
}

function unlink(open: Open): Command {
  return new Command("unlink")
    .summary("take a link away")
    .argument("<id>", "as `account identities` shows it")
    .action(async (id: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", `/api/v1/me/identities/${encodeURIComponent(id)}`, "take the link away");
      context.output.result({ unlinked: id }, [`link ${id} is gone`]);
    });
}

function onePassword(context: CliContext, question: string, isPiped: boolean): Promise<string> {
  return isPiped
    ? readPasswordFromStdin()
    : askPassword(context, question, "without a terminal, give --password-stdin");
}
