import { Command, type Option } from "commander";
import type { ContextOf } from "./command-context.ts";
import { accessCommand } from "./commands/access-command.ts";
import { accountCommand } from "./commands/account-command.ts";
import { adminCommand } from "./commands/admin-command.ts";
import { auditCommand } from "./commands/audit-command.ts";
import { backupCommands } from "./commands/backup-command.ts";
import { completionCommand } from "./commands/completion-command.ts";
import { copyCommand } from "./commands/copy-command.ts";
import { credentialCommand } from "./commands/credential-command.ts";
import { databaseCommand } from "./commands/database-command.ts";
import { decisionPointCommand } from "./commands/decision-point-command.ts";
import { doctorCommand } from "./commands/doctor-command.ts";
import { elevateCommand } from "./commands/elevate-command.ts";
import { gcCommand } from "./commands/gc-command.ts";
import { grantCommand } from "./commands/grant-command.ts";
import { healthCommand } from "./commands/health-command.ts";
import { inspectCommand } from "./commands/inspect-command.ts";
import { invitationCommand } from "./commands/invitation-command.ts";
import { issuerCommand } from "./commands/issuer-command.ts";
import { jobsCommand } from "./commands/jobs-command.ts";
import { keysCommand } from "./commands/keys-command.ts";
import { loginCommand } from "./commands/login-command.ts";
import { logoutCommand } from "./commands/logout-command.ts";
import { lsCommand } from "./commands/ls-command.ts";
import { mailCommand } from "./commands/mail-command.ts";
import { mfaCommand } from "./commands/mfa-command.ts";
import { migrateCommand } from "./commands/migrate-command.ts";
import { orgCommand } from "./commands/org-command.ts";
import { providerCommand } from "./commands/provider-command.ts";
import { regionsCommand } from "./commands/regions-command.ts";
import { repositoryCommand } from "./commands/repository-command.ts";
import { reservedNameCommand } from "./commands/reserved-name-command.ts";
import { rmCommand } from "./commands/rm-command.ts";
import { robotCommand } from "./commands/robot-command.ts";
import { serveCommand } from "./commands/serve-command.ts";
import { sessionCommand } from "./commands/session-command.ts";
import { storageCommand } from "./commands/storage-command.ts";
import { tagsCommand } from "./commands/tags-command.ts";
import { teamCommand } from "./commands/team-command.ts";
import { tokenCommand } from "./commands/token-command.ts";
import { tokenIssuerCommand } from "./commands/token-issuer-command.ts";
import { trustRuleCommand } from "./commands/trust-rule-command.ts";
import { userCommand } from "./commands/user-command.ts";
import { verifyCommand } from "./commands/verify-command.ts";
import { addGlobalOptions } from "./global-options.ts";
import { keepPlausibleGuess } from "./plausible-guess.ts";

/** Every command. Parsing throws a `CommanderError` instead of ending the process. */
export function createProgram(contextOf: ContextOf, version: string): Command {
  const program = addGlobalOptions(new Command("entrepot"))
    .description("A registry for container images and every other OCI artifact, and tools for any registry.")
    .version(version, "-V, --version")
    .addHelpText(
      "after",
      `
Registries on this machine (localhost, 127.0.0.1, [::1]) are spoken to with http, all others with https unless --plain-http is given.
With --ca-file or --insecure, one on this machine is asked whether it speaks https. A name without a host is one of localhost:5000, or of the registry in ENTREPOT_CLI_REGISTRY.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not signed in, 4 not allowed, 5 not there, 6 taken or in use, 7 registry not reached or in trouble.`,
    );
  const commands = [
    serveCommand(contextOf),
    doctorCommand(contextOf),
    adminCommand(contextOf),
    loginCommand(contextOf),
    logoutCommand(contextOf),
    lsCommand(contextOf),
    tagsCommand(contextOf),
    inspectCommand(contextOf),
    copyCommand(contextOf),
    rmCommand(contextOf),
    gcCommand(contextOf),
    verifyCommand(contextOf),
    ...backupCommands(contextOf),
    keysCommand(contextOf),
    storageCommand(contextOf),
    databaseCommand(contextOf),
    regionsCommand(contextOf),
    healthCommand(contextOf),
    accountCommand(contextOf),
    userCommand(contextOf),
    jobsCommand(contextOf),
    orgCommand(contextOf),
    teamCommand(contextOf),
    robotCommand(contextOf),
    invitationCommand(contextOf),
    tokenCommand(contextOf),
    sessionCommand(contextOf),
    mfaCommand(contextOf),
    issuerCommand(contextOf),
    credentialCommand(contextOf),
    grantCommand(contextOf),
    repositoryCommand(contextOf),
    accessCommand(contextOf),
    reservedNameCommand(contextOf),
    mailCommand(contextOf),
    migrateCommand(contextOf),
    trustRuleCommand(contextOf),
    providerCommand(contextOf),
    auditCommand(contextOf),
    elevateCommand(contextOf),
    decisionPointCommand(contextOf),
    tokenIssuerCommand(contextOf),
    completionCommand(() => program),
  ];
  for (const command of commands) program.addCommand(command);
  prepare(program);
  return program;
}

/** What a command takes of those above it: the options of every command, and the registry of its group. */
function inheritedOptions(command: Command): Option[] {
  const own = new Set(command.options.map(({ long }) => long));
  const inherited: Option[] = [];
  for (let above = command.parent; above !== null; above = above.parent) {
    const isProgram = above.parent === null;
    inherited.push(
      ...above.options.filter(
        ({ long }) => !own.has(long) && (isProgram ? long !== "--version" : long === "--registry"),
      ),
    );
  }
  return inherited;
}

/** Whoever knows another tool tries these first. */
const otherNames: readonly (readonly [string, string])[] = [
  ["ls", "list"],
  ["rm", "delete"],
];

function prepare(command: Command): void {
  command
    .exitOverride()
    .showHelpAfterError("(run it with --help to see what it takes)")
    .configureOutput({ outputError: (text, write) => write(keepPlausibleGuess(text)) })
    .configureHelp({ showGlobalOptions: true, visibleGlobalOptions: inheritedOptions });
  for (const child of command.commands) {
    const [, name] = otherNames.find(([usual]) => usual === child.name()) ?? [];
    if (name !== undefined && !command.commands.some((one) => one.name() === name)) child.alias(name);
    prepare(child);
  }
}
