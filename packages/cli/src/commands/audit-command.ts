import { readFile } from "node:fs/promises";
import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { parseHostArgument } from "../image-argument.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, type Open, openManagement } from "../management-command.ts";
import { downloadManagement } from "../management-request.ts";
import { parseWholeNumber } from "../parse-whole-number.ts";
import { UsageError } from "../usage-error.ts";

interface Filters {
  readonly from?: string;
  readonly until?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly outcome?: string;
  readonly address?: string;
  readonly namespace?: string;
  readonly repository?: string;
  readonly requestId?: string;
  readonly elevation?: string;
}

/** `entrepot audit`: who did what. */
export function auditCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const command = managementCommand("audit", {
    summary: "read, export and verify who did what",
    description:
      "The audit log of a running registry. Administrators and auditors read all of it; --namespace and --repository show those who administer a place what happened there.",
    examples: [
      "audit ls --actor anna --from 2026-01-31",
      "audit ls --repository acme/app --action 'tag.*'",
      "audit export --format cef --from 2026-01-01 > january.cef",
      "audit verify --anchor 4711:9f86d0…",
      "audit forwarders set siem --syslog logs.example.org:6514",
    ],
  });
  for (const each of [listCommand(open), exportCommand(open), verifyCommand(open), forwardersCommand(open)]) {
    command.addCommand(each);
  }
  return command;
}

function addFilters(command: Command): Command {
  return command
    .option("--from <time>", "2026-01-31, 2026-01-31T12:00:00Z, or milliseconds")
    .option("--until <time>", "before this time")
    .option("--actor <name>", "who did it")
    .option("--action <name>", "what was done: tag.delete, or 'tag.*'")
    .option("--target <text>", "to what; with a * at the end, how it begins")
    .option("--outcome <outcome>", "succeeded, denied or failed")
    .option("--address <address>", "from where")
    .option("--namespace <name>", "in which namespace")
    .option("--repository <name>", "in which repository")
    .option("--request-id <id>", "by which request")
    .option("--elevation <number>", "under which elevation");
}

function queryOf(filters: Filters, more: Readonly<Record<string, string>> = {}): string {
  const {
    from,
    until,
    actor,
    action,
    target,
    outcome,
    address,
    namespace,
    repository,
    requestId,
    elevation,
  } = filters;
  const all = {
    from,
    until,
    actor,
    action,
    target,
    outcome,
    address,
    namespace,
    repository,
    requestId,
    elevation,
  };
  const query = new URLSearchParams(more);
  for (const [name, value] of Object.entries(all)) if (value !== undefined) query.set(name, value);
  return query.toString();
}

function listCommand(open: Open): Command {
  return addFilters(new Command("ls"))
    .summary("list entries, newest first")
    .option("--limit <n>", "at most so many", "100")
    .action(async (options: Filters & { limit: string }, command: Command) => {
      const { context, client } = open(command);
      const limit = parseWholeNumber(options.limit, "--limit", 1, 1_000);
      const { namespace, repository, ...rest } = options;
      // Those who administer a place see it there, and nothing else.
      const path =
        repository !== undefined
          ? `/api/v1/repositories/${repository}/-/audit`
          : namespace !== undefined
            ? `/api/v1/organizations/${encodeURIComponent(namespace)}/audit`
            : "/api/v1/audit";
      const page = await client.send(
        "GET",
        `${path}?${queryOf(rest, { n: String(limit) })}`,
        "read the audit log",
      );
      const entries = Array.isArray(page["entries"]) ? page["entries"] : [];
      const rows = cellsOf(entries, ["atMs", "actor", "address", "action", "outcome", "target"]);
      context.output.result(page, formatTable(rows));
    });
}

function exportCommand(open: Open): Command {
  return addFilters(new Command("export"))
    .summary("write entries to standard output, oldest first, a line each")
    .option("--format <format>", "ndjson or cef", "ndjson")
    .action(async (options: Filters & { format: string }, command: Command) => {
      const { context, registry } = open(command);
      if (!["ndjson", "cef"].includes(options.format)) throw new UsageError("--format is ndjson or cef");
      const host = parseHostArgument(registry ?? context.environment.defaultHost);
      const path = `/api/v1/audit/export?${queryOf(options, { format: options.format })}`;
      await downloadManagement(context, host, { path, what: "export the audit log" }, process.stdout);
    });
}

function verifyCommand(open: Open): Command {
  return new Command("verify")
    .summary("compute the chain of entries anew, and name the first that was changed, removed or put in")
    .option(
      "--anchor <sequence:hash>",
      "an end of the chain that you kept elsewhere, as the log has it; may be repeated",
      (text: string, before: readonly string[]) => [...before, text],
      [],
    )
    .action(async (options: { anchor: readonly string[] }, command: Command) => {
      const { context, client } = open(command);
      let after: unknown;
      let checked = 0;
      let page: Readonly<Record<string, unknown>>;
      do {
        const query = new URLSearchParams(typeof after === "number" ? { after: String(after) } : {});
        for (const anchor of options.anchor) query.append("anchor", anchor);
        page = await client.send(
          "GET",
          `/api/v1/audit/verification?${query.toString()}`,
          "verify the audit log",
        );
        checked += typeof page["checked"] === "number" ? page["checked"] : 0;
        after = page["next"];
        if (typeof after === "number") context.output.note(`${checked} entries are intact`);
      } while (typeof after === "number");
      const [[message = ""] = []] = cellsOf([asObject(page["problem"])], ["message"]);
      if (page["isIntact"] !== true) throw new Error(`the audit log is not intact: ${message}`);
      const [[sequence = "0", hash = ""] = []] = cellsOf([asObject(page["head"])], ["sequence", "hash"]);
      const end = hash === "" ? [] : [`it ends at ${sequence}:${hash}`];
      context.output.result({ ...page, checked }, [`${checked} entries are intact`, ...end]);
    });
}

interface SetOptions {
  readonly syslog?: string;
  readonly https?: string;
  readonly tcp?: true;
  readonly cef?: true;
  readonly serverName?: string;
  readonly ca?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly disabled?: true;
}

function forwardersCommand(open: Open): Command {
  const path = (name: string) => `/api/v1/audit/forwarders/${encodeURIComponent(name)}`;
  const list = new Command("ls")
    .summary("list where entries are sent, and how far each receiver is behind")
    .action(async (_options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.send("GET", "/api/v1/audit/forwarders", "list the forwarders");
      const forwarders = Array.isArray(found["forwarders"]) ? found["forwarders"] : [];
      const rows = cellsOf(forwarders, ["name", "kind", "isEnabled", "sentSequence", "waiting", "lastError"]);
      context.output.result(
        found,
        formatTable([["name", "kind", "enabled", "sent", "waiting", "error"], ...rows]),
      );
    });
  const set = new Command("set")
    .summary("send entries somewhere, from now on")
    .argument("<name>", "what it is called here")
    .option("--syslog <host:port>", "a syslog receiver that speaks TLS (RFC 5425)")
    .option("--https <url>", "an address that signed posts of NDJSON go to")
    .option("--tcp", "syslog without TLS, where the registry allows it")
    .option("--cef", "CEF instead of JSON in syslog")
    .option("--server-name <name>", "what the receiver's certificate is for")
    .option("--ca <file>", "PEM file with the receiver's authority")
    .option("--client-certificate <file>", "PEM file to show to the receiver")
    .option("--client-key <file>", "PEM file with its key")
    .option("--disabled", "keep it, send nothing")
    .action(async (name: string, options: SetOptions, command: Command) => {
      const { context, client } = open(command);
      const done = await client.send("PUT", path(name), "set the forwarder", await bodyOf(options));
      const secret = done["secret"];
      if (typeof secret === "string")
        context.output.note("Posts are signed with this secret, which is not shown again:");
      context.output.result(done, typeof secret === "string" ? [secret] : [`${name} is set`]);
    });
  const remove = new Command("rm")
    .summary("send entries there no longer")
    .argument("<name>")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", path(name), "remove the forwarder");
      context.output.result({ name }, [`${name} is removed`]);
    });
  const command = new Command("forwarders").summary("where entries are sent as they are written");
  for (const each of [list, set, remove]) command.addCommand(each);
  return command;
}

async function bodyOf(options: SetOptions): Promise<object> {
  const isEnabled = options.disabled !== true;
  if ((options.syslog === undefined) === (options.https === undefined)) {
    throw new UsageError("say where entries go: --syslog host:port or --https url, one of them");
  }
  if (options.https !== undefined) return { kind: "https", url: options.https, isEnabled };
  const [, host = "", port = ""] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(options.syslog ?? "") ?? [];
  if (host === "") throw new UsageError("--syslog takes host:port, such as logs.example.org:6514");
  const files = {
    certificateAuthority: options.ca,
    clientCertificate: options.clientCertificate,
    clientKey: options.clientKey,
  };
  const texts: Record<string, string> = {};
  for (const [name, file] of Object.entries(files)) {
    if (file !== undefined) texts[name] = await readFile(file, "utf8");
  }
  return {
    kind: "syslog",
    host,
    port: Number(port),
    transport: options.tcp === true ? "tcp" : "tls",
    format: options.cef === true ? "cef" : "json",
    ...(options.serverName !== undefined && { serverName: options.serverName }),
    ...texts,
    isEnabled,
  };
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
