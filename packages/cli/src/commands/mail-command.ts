import { isObject } from "@entrepot/oci/json-object";
import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { parseHostArgument } from "../image-argument.ts";
import { cellsOf } from "../management-client.ts";
import { requestManagement } from "../management-request.ts";
import { UsageError } from "../usage-error.ts";

interface MailOptions {
  readonly registry?: string;
  readonly state?: string;
}

const registryOption = [
  "--registry <host>",
  "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out",
] as const;

/** `entrepot mail`: whether the registry's mail goes out, for its administrators. */
export function mailCommand(contextOf: ContextOf): Command {
  const test = new Command("test")
    .summary("write to an address, and tell what the mail server says")
    .argument("<address>", "where the mail goes")
    .option(...registryOption)
    .addHelpText("after", "\nExamples:\n  entrepot mail test me@example.org --registry registry.example.org")
    .action(async (to: string, options: MailOptions, command: Command) => {
      const context = contextOf(command);
      const host = parseHostArgument(options.registry ?? context.environment.defaultHost);
      const json = await requestManagement(context, host, {
        method: "POST",
        path: "/api/v1/mails/tests",
        body: { to },
        what: "send a mail",
      });
      const { isSent, detail } = isObject(json) ? json : {};
      if (isSent !== true) throw new Error(`${host} could not send a mail: ${String(detail)}`);
      context.output.result(json, [`sent to ${to}: ${String(detail)}`]);
    });
  const list = new Command("list")
    .summary("outgoing mails, newest first, and whether they can be sent")
    .option("--state <state>", "only those that are queued, sent or dead")
    .option(...registryOption)
    .addHelpText("after", "\nExamples:\n  entrepot mail list --state dead")
    .action(async (options: MailOptions, command: Command) => {
      const context = contextOf(command);
      const host = parseHostArgument(options.registry ?? context.environment.defaultHost);
      const filter = options.state === undefined ? "" : `?state=${encodeURIComponent(options.state)}`;
      const json = await requestManagement(context, host, {
        method: "GET",
        path: `/api/v1/mails${filter}`,
        what: "list mails",
      });
      const { delivery, mails } = isObject(json) ? json : {};
      if (isObject(delivery)) context.output.note(String(delivery["note"]));
      const entries = (Array.isArray(mails) ? mails : []).filter(isObject);
      const fields = ["id", "state", "to", "kind", "attempts", "lastError"];
      context.output.result(json, formatTable(cellsOf(entries, fields)));
    });
  const retry = new Command("retry")
    .summary("try a mail again at once that waits or was given up")
    .argument("<id>", "number of the mail, as `mail list` shows it")
    .option(...registryOption)
    .addHelpText("after", "\nExamples:\n  entrepot mail retry 17")
    .action(async (id: string, options: MailOptions, command: Command) => {
      if (!/^[0-9]{1,15}$/.test(id)) throw new UsageError("the id of a mail is a number");
      const context = contextOf(command);
      const host = parseHostArgument(options.registry ?? context.environment.defaultHost);
      const json = await requestManagement(context, host, {
        method: "POST",
        path: `/api/v1/mails/${id}/retries`,
        what: "try the mail again",
      });
      context.output.result(json, [`mail ${id} is tried again now`]);
    });
  return new Command("mail")
    .summary("see whether the registry's mail goes out")
    .addCommand(test)
    .addCommand(list)
    .addCommand(retry);
}
