import { Command } from "commander";
import { checkDecisionPoint } from "../check-decision-point.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { parseHostArgument } from "../image-argument.ts";
import { requestManagement } from "../management-request.ts";

interface AddOptions {
  readonly registry?: string;
  readonly pattern: string;
  readonly url: string;
  readonly secret?: string;
}

interface CheckOptions {
  readonly secret: string;
  readonly username: string;
  readonly password: string;
  readonly token?: string;
  readonly repository: string;
}

const registryFlag = "--registry <host>";
const registryHelp = "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out";

/** `entrepot decision-point`: callbacks that decide, and a kit for their authors. */
export function decisionPointCommand(contextOf: ContextOf): Command {
  const command = new Command("decision-point")
    .summary("let a callback decide who may what, and check one")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot decision-point add syn --pattern 'syn*/**' --url https://platform.example.org/decide\n  entrepot decision-point check https://platform.example.org/decide --secret S --username alice --password P --repository syn1/tool",
    );
  const send = (
    own: Command,
    registry: string | undefined,
    request: Omit<Parameters<typeof requestManagement>[2], "what">,
  ) => {
    const context = contextOf(own);
    const host = parseHostArgument(registry ?? context.environment.defaultHost);
    return requestManagement(context, host, { ...request, what: "manage decision points" });
  };
  const path = "/api/v1/decision-points";
  command
    .command("ls")
    .summary("list them")
    .option(registryFlag, registryHelp)
    .action(async (options: { readonly registry?: string }, own: Command) => {
      const json = await send(own, options.registry, { method: "GET", path });
      contextOf(own).output.result(json, JSON.stringify(json, null, 2).split("\n"));
    });
  command
    .command("add <name>")
    .summary("hand the repositories of a pattern over to a callback")
    .requiredOption("--pattern <pattern>", 'the repositories: "acme/**"')
    .requiredOption("--url <url>", "where it is asked")
    .option("--secret <secret>", "what signs; generated when left out")
    .option(registryFlag, registryHelp)
    .action(async (name: string, options: AddOptions, own: Command) => {
      const { registry, ...settings } = options;
      const json = await send(own, registry, { method: "POST", path, body: { name, ...settings } });
      contextOf(own).output.result(json, JSON.stringify(json, null, 2).split("\n"));
    });
  command
    .command("rm <name>")
    .summary("decide about its repositories here again")
    .option(registryFlag, registryHelp)
    .action(async (name: string, options: { readonly registry?: string }, own: Command) => {
      await send(own, options.registry, { method: "DELETE", path: `${path}/${encodeURIComponent(name)}` });
      contextOf(own).output.result({ removed: name }, [`removed ${name}`]);
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
