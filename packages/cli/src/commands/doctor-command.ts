import { Command } from "commander";
import { checkRegistry } from "../check-registry.ts";
import { checkRuntime } from "../check-runtime.ts";
import type { ContextOf } from "../command-context.ts";
import type { Finding } from "../finding.ts";
import { formatTable } from "../format-text.ts";
import { parseHostArgument, parseImageArgument } from "../image-argument.ts";
import { connect } from "../registry-access.ts";
import { serverConfig } from "../server-config.ts";
import { UsageError } from "../usage-error.ts";

interface DoctorOptions {
  readonly registry?: string;
  readonly pushTo?: string;
}

/** `entrepot doctor`: looks at an installation, or at a registry from outside. */
export function doctorCommand(contextOf: ContextOf): Command {
  return new Command("doctor")
    .summary("check an installation, or a registry from outside")
    .description(
      "Checks what the registry needs on this machine: runtime, configuration, database, storage, free space, open files, port. With --registry it checks a registry as its clients see it instead. Exit code 1 when anything is wrong.",
    )
    .option("--registry <host>", "check this registry from outside: answer, clock, token service")
    .option("--push-to <name>", "with --registry: also push, read and delete a small blob in this repository")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot doctor --config /etc/entrepot.yaml\n  entrepot doctor --registry registry.example.org --push-to team/doctor",
    )
    .action(async (options: DoctorOptions, command: Command) => {
      const context = contextOf(command);
      if (options.pushTo !== undefined && options.registry === undefined) {
        throw new UsageError("--push-to needs --registry");
      }
      const findings: Finding[] = [...checkRuntime(process.versions.node)];
      if (options.registry === undefined) {
        const { checkInstallation } = await import("@entrepot/server/app/doctor");
        findings.push(...(await checkInstallation(serverConfig(context))));
      } else {
        const host = parseHostArgument(options.registry);
        const pushTo =
          options.pushTo === undefined
            ? undefined
            : parseImageArgument(`${host}/${options.pushTo}`, host).repository;
        const client = await connect(host, context);
        try {
          findings.push(...(await checkRegistry(client, pushTo, context.signal)));
        } finally {
          await client.close();
        }
      }
      const isHealthy = findings.every(({ ok }) => ok);
      const rows = findings.map(({ name, ok, message }) => [ok ? "ok" : "FAIL", name, message]);
      context.output.result({ ok: isHealthy, findings }, formatTable(rows));
      if (!isHealthy) process.exitCode = 1;
    });
}
