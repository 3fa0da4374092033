import { readFile } from "node:fs/promises";
import { isObject } from "@entrepot/oci/json-object";
import { Command } from "commander";
import { readPasswordFromStdin } from "../ask.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { parseHostArgument } from "../image-argument.ts";
import { cellsOf } from "../management-client.ts";
import { requestManagement } from "../management-request.ts";
import { UsageError } from "../usage-error.ts";

interface RuleOptions {
  readonly registry?: string;
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

const registryOption = [
  "--registry <host>",
  "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out",
] as const;
const ruleArgument = ["<rule>", "NAMESPACE/NAME, or NAME for a rule of the registry"] as const;

/** `entrepot trust-rule`: whose tokens from outside become credentials here. */
export function trustRuleCommand(contextOf: ContextOf): Command {
  const send = async (
    command: Command,
    options: { readonly registry?: string },
    request: Parameters<typeof requestManagement>[2],
  ) => {
    const context = contextOf(command);
    const host = parseHostArgument(options.registry ?? context.environment.defaultHost);
    return { json: await requestManagement(context, host, request), output: context.output };
  };
  const create = new Command("create")
    .summary("trust an issuer's tokens with certain claims as a robot")
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
    .option("--one-time", "take each token once")
    .option(...registryOption)
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot trust-rule create acme/github --issuer https://token.actions.githubusercontent.com --audience https://registry.example.org --claim repository=octo/app --claim 'ref~refs/heads/*' --subject acme+ci",
    )
    .action(async (rule: string, options: RuleOptions, command: Command) => {
      const { path, name } = parseRule(rule);
      const body = { name, ...(await toBody(options)) };
      const request = { method: "POST", path, body, what: "make the trust rule" } as const;
      const { json, output } = await send(command, options, request);
      output.result(json, [`${rule} takes tokens of ${options.issuer} as ${options.subject}`]);
    });
  const list = new Command("list")
    .summary("trust rules of a namespace, or of the registry")
    .argument("[namespace]", "whose rules; those of the registry when left out")
    .option(...registryOption)
    .addHelpText("after", "\nExamples:\n  entrepot trust-rule list acme")
    .action(
      async (namespace: string | undefined, options: { readonly registry?: string }, command: Command) => {
        const request = { method: "GET", path: collection(namespace), what: "list trust rules" } as const;
        const { json, output } = await send(command, options, request);
        const rules = isObject(json) ? json["rules"] : undefined;
        const entries = (Array.isArray(rules) ? rules : []).filter(isObject);
        output.result(json, formatTable(cellsOf(entries, ["fullName", "subject", "issuer", "audience"])));
      },
    );
  const remove = new Command("delete")
    .summary("delete a rule, and every credential that was got by it")
    .argument(...ruleArgument)
    .option(...registryOption)
    .addHelpText("after", "\nExamples:\n  entrepot trust-rule delete acme/github")
    .action(async (rule: string, options: { readonly registry?: string }, command: Command) => {
      const { path, name } = parseRule(rule);
      const request = { method: "DELETE", path: `${path}/${name}`, what: "delete the trust rule" } as const;
      const { output } = await send(command, options, request);
      output.result({ rule, deleted: true }, [`${rule} is deleted, and what was got by it`]);
    });
  const test = new Command("test")
    .summary("what a rule says of the token on standard input, and why")
    .argument(...ruleArgument)
    .option(...registryOption)
    .addHelpText("after", "\nExamples:\n  entrepot trust-rule test acme/github < token.jwt")
    .action(async (rule: string, options: { readonly registry?: string }, command: Command) => {
      const { path, name } = parseRule(rule);
      const body = { token: await readPasswordFromStdin() };
      const request = {
        method: "POST",
        path: `${path}/${name}/tests`,
        body,
        what: "test the trust rule",
      } as const;
      const { json, output } = await send(command, options, request);
      const { isTaken, why } = isObject(json) ? json : {};
      if (isTaken !== true) throw new Error(`${rule} does not take the token: ${String(why)}`);
      output.result(json, [`${rule} takes the token: ${String(why)}`]);
    });
  return new Command("trust-rule")
    .summary("let tokens of CI systems and clusters become credentials")
    .addCommand(create)
    .addCommand(list)
    .addCommand(remove)
    .addCommand(test);
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
