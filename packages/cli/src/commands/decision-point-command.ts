import type { Command } from "commander";
import { changeOf } from "../change-of.ts";
import { checkDecisionPoint } from "../check-decision-point.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf, rowsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { parseWholeNumber } from "../parse-whole-number.ts";

interface Settings {
  readonly pattern?: string;
  readonly url?: string;
  readonly secret?: string;
  readonly timeoutMs?: string;
  readonly serveStaleSeconds?: string;
  readonly maxConcurrent?: string;
}

interface ForgetOptions {
  readonly all?: true;
  readonly principal?: readonly string[];
  readonly repository?: readonly string[];
}

interface CheckOptions {
  readonly secret: string;
  readonly username: string;
  readonly password: string;
  readonly token?: string;
  readonly repository: string;
}

const collection = "/api/v1/decision-points";
const pathOf = (name: string) => `${collection}/${encodeURIComponent(name)}`;

/** `entrepot decision-point`: callbacks that decide, and a kit for their authors. */
export function decisionPointCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const command = managementCommand("decision-point", {
    summary: "let a callback decide who may what, and check one",
    examples: [
      "decision-point add syn --pattern 'syn*/**' --url https://platform.example.org/decide",
      "decision-point set syn --timeout-ms 1000",
      "decision-point forget syn --all",
      "decision-point check https://platform.example.org/decide --secret S --username alice --password P --repository syn1/tool",
    ],
  });
  command
    .command("ls")
    .summary("list them")
    .action(async (_options: object, own: Command) => {
      const { context, client } = open(own);
      const found = await client.list(collection, "decisionPoints", "list decision points");
      context.output.result(found, formatTable(cellsOf(found, ["name", "pattern", "url"])));
    });
  command
    .command("show <name>")
    .summary("show one")
    .action(async (name: string, _options: object, own: Command) => {
      const { context, client } = open(own);
      const found = await client.send("GET", pathOf(name), "show the decision point");
      context.output.result(found, formatTable(rowsOf(found)));
    });
  withSettings(command.command("add <name>"))
    .summary("hand the repositories of a pattern over to a callback; prints its secret once")
    .requiredOption("--pattern <pattern>", 'the repositories: "acme/**"')
    .requiredOption("--url <url>", "where it is asked")
    .action(async (name: string, options: Settings, own: Command) => {
      const { context, client } = open(own);
      const body = { name, ...changeOf(settingsOf(options)) };
      const made = await client.send("POST", collection, "add the decision point", body);
      context.output.note(
        `${options.url ?? ""} decides about ${options.pattern ?? ""} now. What signs, which is not shown again:`,
      );
      context.output.result(made, [String(made["secret"])]);
    });
  withSettings(command.command("set <name>"))
    .summary("change one; its answers from before are no longer used")
    .option("--pattern <pattern>", "the repositories")
    .option("--url <url>", "where it is asked")
    .action(async (name: string, options: Settings, own: Command) => {
      const change = changeOf(settingsOf(options));
      const { context, client } = open(own);
      const done = await client.send("PATCH", pathOf(name), "change the decision point", change);
      context.output.result(done, formatTable(rowsOf(done)));
    });
  command
    .command("forget <name>")
    .summary("ask anew instead of using answers that are kept")
    .option("--all", "every answer")
    .option("--principal <name...>", "answers about these")
    .option("--repository <name...>", "answers about these")
    .action(async (name: string, options: ForgetOptions, own: Command) => {
      const { all, principal, repository } = options;
      const body = changeOf({ all, principals: principal, repositories: repository });
      const { context, client } = open(own);
      await client.send("POST", `${pathOf(name)}/invalidate`, "take answers back", body);
      context.output.result({ name, ...body }, [`answers of ${name} are asked for anew`]);
    });
  command
    .command("rm <name>")
    .summary("decide about its repositories here again")
    .action(async (name: string, _options: object, own: Command) => {
      const { context, client } = open(own);
      await client.send("DELETE", pathOf(name), "remove the decision point");
      context.output.result({ removed: name }, [`removed ${name}`]);
    });
  command
    .command("check <url>")
    .summary("ask a callback what the registry would ask, and what it must not fall for")
    .description(
      "For authors of decision points: right and wrong credentials, forged and old signatures, batches, unknown actions, latency. Needs no registry. Exit code 1 when anything is wrong.",
    )
    .requiredOption("--secret <secret>", "what signs")
    .requiredOption("--username <name>", "somebody whom it knows")
    .requiredOption("--password <password>", "their password")
    .requiredOption("--repository <name>", "a repository that they may pull")
    .option("--token <token>", "an access token of theirs")
    .action(async (url: string, options: CheckOptions, own: Command) => {
      const findings = await checkDecisionPoint({ url, ...options, token: options.token });
      const isGood = findings.every(({ ok }) => ok);
      const rows = findings.map(({ name, ok, message }) => [ok ? "ok" : "FAIL", name, message]);
      contextOf(own).output.result({ ok: isGood, findings }, formatTable(rows));
      if (!isGood) process.exitCode = 1;
    });
  return command;
}

function withSettings(command: Command): Command {
  return command
    .option("--secret <secret>", "what signs; one is made for a new point when left out")
    .option("--timeout-ms <n>", "from question to answer; 2000")
    .option(
      "--serve-stale-seconds <n>",
      "how long an answer that has ended may stand in when none can be had; 0",
    )
    .option("--max-concurrent <n>", "questions at once; 50");
}

function settingsOf(options: Settings) {
  const { pattern, url, secret } = options;
  const number = (text: string | undefined, option: string, min: number, max: number) =>
    text === undefined ? undefined : parseWholeNumber(text, option, min, max);
  return {
    pattern,
    url,
    secret,
    timeoutMs: number(options.timeoutMs, "--timeout-ms", 100, 30_000),
    serveStaleSeconds: number(options.serveStaleSeconds, "--serve-stale-seconds", 0, 86_400),
    maxConcurrent: number(options.maxConcurrent, "--max-concurrent", 1, 1_000),
  };
}
