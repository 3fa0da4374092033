import { Command } from "commander";
import { askPassword, readPasswordFromStdin } from "../ask.ts";
import type { CliContext } from "../cli-context.ts";
import type { ContextOf } from "../command-context.ts";
import { serverConfig } from "../server-config.ts";
import { UsageError } from "../usage-error.ts";

interface CreateOptions {
  readonly passwordStdin?: true;
  readonly generate?: true;
  readonly reset?: true;
}

/** `entrepot admin create`: an administrator made on the server's own machine, also the way back in. */
export function adminCommand(contextOf: ContextOf): Command {
  const create = new Command("create")
    .summary("create an administrator, or reset one")
    .description(
      "Creates an administrator in the database that the configuration names; the registry may be running. The password is asked for on a terminal; elsewhere, or with --generate, one is made and printed once.",
    )
    .argument("<username>", "name to sign in with")
    .option("--password-stdin", "read the password from standard input")
    .option("--generate", "make a password and print it once")
    .option("--reset", "if the user exists: set the password, make them an administrator and enable them")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot admin create anna\n  entrepot admin create anna --reset --password-stdin < password.txt",
    )
    .action(async (username: string, options: CreateOptions, command: Command) => {
      const context = contextOf(command);
      const password = await choosePassword(context, options);
      const { createAdministrator } = await import("@entrepot/server/app/create-administrator");
      const created = await createAdministrator({
        ...serverConfig(context),
        username,
        reset: options.reset === true,
        ...(password !== undefined && { password }),
      });
      context.output.note(`${created.username} is an administrator now`);
      if (created.password !== undefined) context.output.note("The password, which is not shown again:");
      context.output.result(created, created.password === undefined ? [] : [created.password]);
    });
  return new Command("admin").summary("manage administrators on the server's machine").addCommand(create);
}

async function choosePassword(context: CliContext, options: CreateOptions): Promise<string | undefined> {
  if (options.passwordStdin === true && options.generate === true) {
    throw new UsageError("--password-stdin and --generate exclude each other");
  }
  if (options.passwordStdin === true) return readPasswordFromStdin();
  if (options.generate === true || !context.output.isInteractive) return undefined;
  const password = await askPassword(context, "Password", "");
  const again = await askPassword(context, "The same password again", "");
  if (password !== again) throw new UsageError("the two passwords differ; nothing was changed");
  return password;
}
