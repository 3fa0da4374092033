import { readFile } from "node:fs/promises";
import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { parseWholeNumber } from "../parse-whole-number.ts";
import { UsageError } from "../usage-error.ts";

interface AddOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly pattern: readonly string[];
  readonly algorithm?: readonly string[];
  readonly jwksUrl?: string;
  readonly keysFile?: string;
  readonly rootsFile?: string;
  readonly realm?: string;
  readonly clockSkew?: string;
}

const collection = "/api/v1/token-issuers";

/** `entrepot token-issuer`: token services outside whose tokens are taken. */
export function tokenIssuerCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("list whose tokens are taken, and for which repositories")
    .action(async (_options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(collection, "tokenIssuers", "list token issuers");
      const rows = cellsOf(found, ["name", "issuer", "audience", "patterns"]);
      context.output.result(found, formatTable(rows));
    });
  const add = new Command("add")
    .summary("take the tokens of a token service")
    .argument("<name>")
    .requiredOption("--issuer <text>", "the claim iss of its tokens, to the letter")
    .requiredOption("--audience <text>", "the claim aud")
    .requiredOption("--pattern <pattern...>", "the repositories that it may speak for: 'acme/**'")
    .option("--algorithm <name...>", "what it signs with; ES256 and RS256 when left out")
    .option("--jwks-url <url>", "where its keys are")
    .option("--keys-file <file>", "its keys themselves: PEM of public keys or certificates, or JWKS")
    .option("--roots-file <file>", "PEM of certificates that the x5c of its tokens must lead to")
    .option("--realm <url>", "where docker is sent for a token")
    .option("--clock-skew <seconds>", "how far its clock may be off, at most 300")
    .action(async (name: string, options: AddOptions, command: Command) => {
      const { jwksUrl, keysFile, rootsFile, realm, clockSkew } = options;
      if (jwksUrl === undefined && keysFile === undefined && rootsFile === undefined) {
        throw new UsageError("say how its tokens are verified: --jwks-url, --keys-file or --roots-file");
      }
      const { context, client } = open(command);
      const made = await client.send("POST", collection, "add the token issuer", {
        name,
        issuer: options.issuer,
        audience: options.audience,
        patterns: options.pattern,
        algorithms: options.algorithm ?? ["ES256", "RS256"],
        ...(jwksUrl !== undefined && { jwksUrl }),
        ...(keysFile !== undefined && { keys: await readFile(keysFile, "utf8") }),
        ...(rootsFile !== undefined && { rootCertificates: await readFile(rootsFile, "utf8") }),
        ...(realm !== undefined && { realm }),
        ...(clockSkew !== undefined && {
          clockSkewSeconds: parseWholeNumber(clockSkew, "--clock-skew", 0, 300),
        }),
      });
      context.output.result(made, [
        `tokens of ${options.issuer} are taken for ${options.pattern.join(", ")}`,
      ]);
    });
  const remove = new Command("rm")
    .summary("take its tokens no longer, those already issued included")
    .argument("<name>")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", `${collection}/${encodeURIComponent(name)}`, "remove the token issuer");
      context.output.result({ removed: name }, [`${name} removed`]);
    });
  const command = managementCommand("token-issuer", {
    summary: "let another token service speak for repositories",
    description:
      "For platforms that issue registry tokens themselves. To change an issuer, remove it and add it again.",
    examples: [
      "token-issuer add platform --issuer platform.example.org --audience registry.example.org --pattern 'acme/**' --jwks-url https://platform.example.org/jwks",
      "token-issuer ls",
      "token-issuer rm platform",
    ],
  });
  for (const each of [list, add, remove]) command.addCommand(each);
  return command;
}
