import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { serverConfig } from "../server-config.ts";

/** `entrepot migrate`: the tables of the configured database, on the server's own machine. */
export function migrateCommand(contextOf: ContextOf): Command {
  const run = (name: string, summary: string, isWanted: boolean) =>
    new Command(name)
      .summary(summary)
      .addHelpText("after", `\nExamples:\n  entrepot migrate ${name} --config /etc/entrepot.yaml`)
      .action(async (_options: object, command: Command) => {
        const context = contextOf(command);
        const { migrateDatabase } = await import("@entrepot/server/app/migrate-database");
        const status = await migrateDatabase({ ...serverConfig(context), isWanted });
        const { done, pending, unknown } = status;
        const rows = [
          ...done.map((migration) => [migration, "done"]),
          ...pending.map((migration) => [migration, "missing"]),
          ...unknown.map((migration) => [migration, "of a newer version"]),
        ];
        context.output.result(status, formatTable(rows));
        if (pending.length + unknown.length > 0) process.exitCode = 1;
      });
  return new Command("migrate")
    .summary("bring the tables of the database up to date, or see whether they are")
    .description(
      "Works on the database that the configuration names. Registries may be running. Exit code 1 when migrations are missing, or are there that this version does not know.",
    )
    .addCommand(run("status", "which migrations the database has had, and which it lacks", false))
    .addCommand(run("up", "run the migrations that are missing, all or none", true));
}
