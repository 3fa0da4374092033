import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { readPasswordFromStdin } from "../ask.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf, rowsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

interface RuleOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly claim: readonly string[];
  readonly subject: string;
  readonly scope?: readonly string[];
  readonly lifetime?: string;
  readonly jwksUrl?: string;
  readonly keysFile?: string;
  readonly caFileOfIssuer?: string;
  readonly oneTime?: true;
}

const ruleArgument = ["<rule>", "NAMESPACE/NAME, or NAME for a rule of the registry"] as const;

/** `entrepot trust-rule`: whose tokens from outside become credentials here. */
export function trustRuleCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const create = withRule(
    new Command("create").summary("trust an issuer's tokens with certain claims as a robot"),
  ).action(async (rule: string, options: RuleOptions, command: Command) => {
    const { path, name } = parseRule(rule);
    const body = { name, ...(await toBody(options)) };
    const { context, client } = open(command);
    const made = await client.send("POST", path, "make the trust rule", body);
    context.output.result(made, [`${rule} takes tokens of ${options.issuer} as ${options.subject}`]);
  });
  const set = withRule(
    new Command("set").summary("replace all that a rule says; credentials that were got by it end"),
  ).action(async (rule: string, options: RuleOptions, command: Command) => {
    const { path, name } = parseRule(rule);
    const body = await toBody(options);
    const { context, client } = open(command);
    const done = await client.send("PUT", `${path}/${name}`, "replace the trust rule", body);
    context.output.result(done, [`${rule} takes tokens of ${options.issuer} as ${options.subject}`]);
  });
  const show = new Command("show")
    .summary("show a rule")
    .argument(...ruleArgument)
    .action(async (rule: string, _options: object, command: Command) => {
      const { path, name } = parseRule(rule);
      const { context, client } = open(command);
      const found = await client.send("GET", `${path}/${name}`, "show the trust rule");
      context.output.result(found, formatTable(rowsOf(found)));
    });
  const list = new Command("ls")
    .summary("list the trust rules of a namespace, or of the registry")
    .argument("[namespace]", "whose rules; those of the registry when left out")
    .action(async (namespace: string | undefined, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(collection(namespace), "rules", "list trust rules");
      context.output.result(
        found,
        formatTable(cellsOf(found, ["fullName", "subject", "issuer", "audience"])),
      );
    });
  const remove = new Command("rm")
    .summary("delete a rule, and every credential that was got by it")
    .argument(...ruleArgument)
    .action(async (rule: string, _options: object, command: Command) => {
      const { path, name } = parseRule(rule);
      const { context, client } = open(command);
      await client.send("DELETE", `${path}/${name}`, "delete the trust rule");
      context.output.result({ rule, deleted: true }, [`${rule} is deleted, and what was got by it`]);
    });
  const test = new Command("test")
    .summary("what a rule says of the token on standard input, and why")
    .argument(...ruleArgument)
    .action(async (rule: string, _options: object, command: Command) => {
      const { path, name } = parseRule(rule);
      const { context, client } = open(command);
      const body = { token: await readPasswordFromStdin() };
      const answer = await client.send("POST", `${path}/${name}/tests`, "test the trust rule", body);
      const { isTaken, why } = answer;
      if (isTaken !== true) throw new Error(`${rule} does not take the token: ${String(why)}`);
      context.output.result(answer, [`${rule} takes the token: ${String(why)}`]);
    });
  const command = managementCommand("trust-rule", {
    summary: "let tokens of CI systems and clusters become credentials",
    examples: [
      "trust-rule create acme/github --issuer https://token.actions.githubusercontent.com --audience https://registry.example.org --claim repository=octo/app --claim 'ref~refs/heads/*' --subject acme+ci",
      "trust-rule ls acme",
      "trust-rule test acme/github < token.jwt",
      "trust-rule rm acme/github",
    ],
  });
  for (const each of [create, list, show, set, remove, test]) command.addCommand(each);
  return command;
}

/** All that a rule says. */
function withRule(command: Command): Command {
  return command
    .argument(...ruleArgument)
    .requiredOption("--issuer <url>", "issuer of the tokens, to the letter")
    .requiredOption("--audience <text>", "audience that tokens must be for")
    .requiredOption(
      "--claim <claim...>",
      "NAME=VALUE, or NAME~PATTERN where * stands for any characters; all must hold",
    )
    .requiredOption("--subject <name>", "the robot that the token becomes")
    .option(
      "--scope <scope...>",
      "REPOSITORIES:ACTIONS, such as acme/app/**:pull,push; all that the robot may when left out",
    )
    .option("--lifetime <seconds>", "how long a credential lives, at most 3600; 900 when left out")
    .option("--jwks-url <url>", "where the issuer's keys are; found by discovery when left out")
    .option("--keys-file <file>", "the issuer's keys themselves: JSON Web Key Set or PEM")
    .option("--ca-file-of-issuer <file>", "PEM that vouches for the address of the keys")
    .option("--one-time", "take each token once");
}

function collection(namespace: string | undefined): string {
  return namespace === undefined
    ? "/api/v1/trust-rules"
    : `/api/v1/organizations/${encodeURIComponent(namespace)}/trust-rules`;
}

function parseRule(text: string): { readonly path: string; readonly name: string } {
  const [, namespace, name = ""] = /^(?:([^/]+)\/)?([^/]+)$/.exec(text) ?? [];
  if (name === "") throw new UsageError("a trust rule is named NAMESPACE/NAME, or NAME");
  return { path: collection(namespace), name };
}

async function toBody(options: RuleOptions) {
  const { keysFile, caFileOfIssuer, jwksUrl, scope, lifetime } = options;
  if (lifetime !== undefined && !/^[0-9]{1,5}$/.test(lifetime))
    throw new UsageError("--lifetime is a number of seconds");
  return {
    issuer: options.issuer,
    audience: options.audience,
    subject: options.subject,
    claims: options.claim.map(parseClaim),
    ...(scope !== undefined && { scopes: scope.map(parseScope) }),
    ...(lifetime !== undefined && { maxLifetimeSeconds: Number(lifetime) }),
    ...(jwksUrl !== undefined && { jwksUrl }),
    ...(keysFile !== undefined && { keys: await readFile(keysFile, "utf8") }),
    ...(caFileOfIssuer !== undefined && { certificateAuthority: await readFile(caFileOfIssuer, "utf8") }),
    ...(options.oneTime === true && { isOneTime: true }),
  };
}

function parseClaim(text: string) {
  const [, claim, sign, value] = /^([^=~]+)([=~])(.*)$/s.exec(text) ?? [];
  if (claim === undefined || value === undefined)
    throw new UsageError(`--claim ${text} is neither NAME=VALUE nor NAME~PATTERN`);
  return sign === "=" ? { claim, equals: value } : { claim, matches: value };
}

function parseScope(text: string) {
  const [, repositories, actions] = /^([^:]+):([a-z,]+)$/.exec(text) ?? [];
  if (repositories === undefined || actions === undefined)
    throw new UsageError(`--scope ${text} is not REPOSITORIES:ACTIONS`);
  return { repositories, actions: actions.split(",") };
}
