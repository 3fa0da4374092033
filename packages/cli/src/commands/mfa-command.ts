import { isObject } from "@entrepot/oci/json-object";
import { Argument, Command } from "commander";
import { askText } from "../ask.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, type Open, openManagement } from "../management-command.ts";
import { type SignInOptions, withOwnSession } from "../own-session.ts";
import { UsageError } from "../usage-error.ts";

const base = "/api/v1/me/mfa";

/** `entrepot mfa`: second factors. Those of one's own are changed by whoever shows password and second factor now: no token can. */
export function mfaCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const command = managementCommand("mfa", {
    summary: "set up and remove second factors",
    description:
      "An authenticator app or security key that a sign-in asks for beside the password. Changing your own asks for your password, and for a second factor where you have one. Security keys are added with a browser.",
    examples: [
      "mfa status",
      "mfa add-totp",
      "mfa recovery-codes --username anna --password-stdin --code 123456 < password.txt",
      "mfa rm totp",
      "mfa reset anna",
      "mfa require acme on",
    ],
  });
  const own = [status(open), addTotp(open), recoveryCodes(open), remove(open)];
  for (const each of [...own, reset(open), requirement(open)]) command.addCommand(each);
  return command;
}

function withSignIn(command: Command): Command {
  return command
    .option("-u, --username <name>", "who you are; that of the stored credentials when left out")
    .option("--password-stdin", "read your password from standard input; asked for when left out")
    .option("--code <code>", "what your authenticator app shows; asked for when left out")
    .option("--recovery-code <code>", "one of your recovery codes, in place of --code");
}

function status(open: Open): Command {
  return new Command("status")
    .summary("show your second factors")
    .action(async (_options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.send("GET", base, "read your second factors");
      const totp = isObject(found["totp"]) ? [found["totp"]] : [];
      const keys = Array.isArray(found["securityKeys"]) ? found["securityKeys"].filter(isObject) : [];
      const rows = [
        ...cellsOf(totp, ["lastUsedAtMs"]).map(([used = ""]) => ["authenticator app", "totp", used]),
        ...cellsOf(keys, ["name", "id", "lastUsedAtMs"]).map(([name = "", id = "", used = ""]) => [
          `security key ${name}`,
          id,
          used,
        ]),
      ];
      const left = `${String(found["recoveryCodesLeft"])} recovery codes left`;
      context.output.result(found, rows.length === 0 ? ["no second factor"] : [...formatTable(rows), left]);
    });
}

interface TotpOptions extends SignInOptions {
  readonly ticket?: string;
  readonly appCode?: string;
}

function addTotp(open: Open): Command {
  return withSignIn(new Command("add-totp"))
    .summary("set up an authenticator app")
    .description(
      "Shows a secret for an authenticator app and asks for the code that the app then shows. Without a terminal it prints the secret and a ticket, good for five minutes: run it again with --ticket and --app-code.",
    )
    .option("--ticket <ticket>", "of the run before")
    .option("--app-code <code>", "what the new app shows")
    .action(async (options: TotpOptions, command: Command) => {
      const { context, registry } = open(command);
      const { ticket, appCode } = options;
      if ((ticket === undefined) !== (appCode === undefined))
        throw new UsageError("--ticket and --app-code go together");
      await withOwnSession(context, registry, options, async (client) => {
        const confirm = async (body: object) => {
          const done = await client.send("POST", `${base}/totp/confirm`, "add the authenticator app", body);
          context.output.note(
            "The authenticator app is set up. docker and other clients need an access token from now on.",
          );
          const codes = codesOf(done);
          if (codes.length > 0)
            context.output.note("Recovery codes, each good once, which are not shown again:");
          context.output.result(done, codes);
        };
        if (ticket !== undefined) return confirm({ ticket, code: appCode });
        const begun = await client.send("POST", `${base}/totp`, "set up an authenticator app");
        const lines = formatTable([
          ["secret", String(begun["secret"])],
          ["uri", String(begun["uri"])],
        ]);
        if (!context.output.isInteractive) {
          context.output.result(begun, [...lines, ...formatTable([["ticket", String(begun["ticket"])]])]);
          return;
        }
        for (const line of ["Put this into the app:", ...lines]) context.output.note(line);
        const code = await askText(context, "Code that the app shows now", "");
        await confirm({ ticket: begun["ticket"], code: code.replaceAll(" ", "") });
      });
    });
}

function recoveryCodes(open: Open): Command {
  return withSignIn(new Command("recovery-codes"))
    .summary("make new recovery codes in place of the old ones")
    .action(async (options: SignInOptions, command: Command) => {
      const { context, registry } = open(command);
      await withOwnSession(context, registry, options, async (client) => {
        const done = await client.send("POST", `${base}/recovery-codes`, "make recovery codes");
        context.output.note("Recovery codes, each good once, which are not shown again:");
        context.output.result(done, codesOf(done));
      });
    });
}

function remove(open: Open): Command {
  return withSignIn(new Command("rm"))
    .summary("remove one of your second factors")
    .argument("<factor>", "totp, or the number of a security key as `mfa status` shows it")
    .action(async (factor: string, options: SignInOptions, command: Command) => {
      const { context, registry } = open(command);
      const path = factor === "totp" ? `${base}/totp` : `${base}/security-keys/${encodeURIComponent(factor)}`;
      await withOwnSession(context, registry, options, (client) =>
        client.send("DELETE", path, `remove ${factor}`),
      );
      context.output.result({ removed: factor }, [`${factor} removed`]);
    });
}

function reset(open: Open): Command {
  return new Command("reset")
    .summary("take all second factors from somebody who has lost theirs; for administrators")
    .argument("<user>")
    .action(async (user: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send(
        "DELETE",
        `/api/v1/users/${encodeURIComponent(user)}/mfa`,
        "reset the second factors",
      );
      context.output.result({ reset: user }, [`${user} has no second factor now, and is signed out`]);
    });
}

function requirement(open: Open): Command {
  return new Command("require")
    .summary("whether those who act in a namespace must have a second factor")
    .argument("<namespace>")
    .addArgument(new Argument("<whether>").choices(["on", "off"]))
    .action(async (namespace: string, whether: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const path = `/api/v1/organizations/${encodeURIComponent(namespace)}/mfa`;
      const done = await client.send("PUT", path, "set it", { isRequired: whether === "on" });
      context.output.result(done, [
        done["isRequired"] === true
          ? `${namespace} asks for a second factor`
          : `${namespace} asks for no second factor`,
      ]);
    });
}

function codesOf(answer: Readonly<Record<string, unknown>>): readonly string[] {
  const codes = answer["recoveryCodes"];
  return Array.isArray(codes) ? codes.map(String) : [];
}
