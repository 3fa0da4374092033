import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { serverConfig } from "../server-config.ts";
import { UsageError } from "../usage-error.ts";

/** `entrepot database move`: from SQLite to PostgreSQL, on the server's own machine. */
export function databaseCommand(contextOf: ContextOf): Command {
  const move = new Command("move")
    .summary("copy the SQLite database to PostgreSQL; the registry must be stopped")
    .description(
      "Copies every table in one transaction into an empty PostgreSQL database and compares the numbers of rows. The SQLite file stays as it is. Stop the registry first: if anybody writes meanwhile, nothing is changed and the command fails.",
    )
    .requiredOption("--to <url>", "postgres://USER@HOST/DATABASE; the password as for the server")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot database move --to postgres://entrepot@db.example.org/entrepot",
    )
    .action(async (options: { readonly to: string }, command: Command) => {
      const context = contextOf(command);
      if (!/^postgres(ql)?:\/\//.test(options.to)) {
        throw new UsageError("--to must be an address such as postgres://USER@HOST/DATABASE");
      }
      const { moveDatabase } = await import("@entrepot/server/app/move-database");
      const copied = await moveDatabase({ ...serverConfig(context), to: options.to });
      const rows = copied
        .filter(({ rows: count }) => count > 0)
        .map(({ table, rows: count }) => [table, String(count)]);
      context.output.result({ tables: copied }, formatTable(rows));
    });
  return new Command("database").summary("where metadata lies").addCommand(move);
}
