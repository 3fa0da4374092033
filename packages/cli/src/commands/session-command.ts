import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

interface Whose {
  readonly user?: string;
}

/** `entrepot session`: where somebody is signed in with a browser. */
export function sessionCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("list where you are signed in, or where somebody else is")
    .option("--user <name>", "whose; for administrators")
    .action(async ({ user }: Whose, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(pathOf(user), "sessions", "list sessions");
      const fields = ["id", "method", "address", "lastSeenAtMs", "expiresAtMs", "userAgent"];
      context.output.result(found, formatTable(cellsOf(found, fields)));
    });
  const remove = new Command("rm")
    .summary("sign browsers out")
    .argument("[id...]", "of sessions, as `session ls` shows them")
    .option("--all", "all of them")
    .option("--user <name>", "whose; for administrators")
    .action(async (ids: readonly string[], options: Whose & { readonly all?: true }, command: Command) => {
      if (ids.length > 0 === (options.all === true)) {
        throw new UsageError("say which sessions, or --all");
      }
      const { context, client } = open(command);
      const path = pathOf(options.user);
      let ended = ids.length;
      if (options.all === true)
        ended = Number((await client.send("DELETE", path, "end the sessions"))["ended"]);
      for (const id of ids)
        await client.send("DELETE", `${path}/${encodeURIComponent(id)}`, `end session ${id}`);
      context.output.result({ ended }, [`${ended} ended`]);
    });
  const command = managementCommand("session", {
    summary: "see where you are signed in with a browser, and sign out there",
    description:
      "Sessions are sign-ins of browsers. Access tokens and passwords in docker's configuration are none: revoke those with `entrepot token rm`, or change the password.",
    examples: ["session ls", "session rm 17", "session rm --all", "session rm --all --user anna"],
  });
  for (const each of [list, remove]) command.addCommand(each);
  return command;
}

function pathOf(user: string | undefined): string {
  return user === undefined ? "/api/v1/me/sessions" : `/api/v1/users/${encodeURIComponent(user)}/sessions`;
}
