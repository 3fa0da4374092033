import { isObject } from "@entrepot/oci/json-object";
import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

/** `entrepot mail`: whether the registry's mail goes out, for its administrators. */
export function mailCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const test = new Command("test")
    .summary("write to an address, and tell what the mail server says")
    .argument("<address>", "where the mail goes")
    .action(async (to: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const json = await client.send("POST", "/api/v1/mails/tests", "send a mail", { to });
      const { isSent, detail } = json;
      if (isSent !== true) throw new Error(`no mail could be sent: ${String(detail)}`);
      context.output.result(json, [`sent to ${to}: ${String(detail)}`]);
    });
  const list = new Command("ls")
    .summary("outgoing mails, newest first, and whether they can be sent")
    .option("--state <state>", "only those that are queued, sent or dead")
    .action(async (options: { readonly state?: string }, command: Command) => {
      const { context, client } = open(command);
      const filter = options.state === undefined ? "" : `?state=${encodeURIComponent(options.state)}`;
      const json = await client.send("GET", `/api/v1/mails${filter}`, "list mails");
      const { delivery, mails } = json;
      if (isObject(delivery)) context.output.note(String(delivery["note"]));
      const entries = (Array.isArray(mails) ? mails : []).filter(isObject);
      const fields = ["id", "state", "to", "kind", "attempts", "lastError"];
      context.output.result(json, formatTable(cellsOf(entries, fields)));
    });
  const retry = new Command("retry")
    .summary("try a mail again at once that waits or was given up")
    .argument("<id>", "number of the mail, as `mail ls` shows it")
    .action(async (id: string, _options: object, command: Command) => {
      if (!/^[0-9]{1,15}$/.test(id)) throw new UsageError("the id of a mail is a number");
      const { context, client } = open(command);
      const json = await client.send("POST", `/api/v1/mails/${id}/retries`, "try the mail again");
      context.output.result(json, [`mail ${id} is tried again now`]);
    });
  const command = managementCommand("mail", {
    summary: "see whether the registry's mail goes out",
    examples: [
      "mail test me@example.org --registry registry.example.org",
      "mail ls --state dead",
      "mail retry 17",
    ],
  });
  for (const each of [test, list, retry]) command.addCommand(each);
  return command;
}
