import type { MoveProgress, MoveReport } from "@entrepot/server/storage/database/move/move-to-postgres";
import type { MovePlan } from "@entrepot/server/storage/database/move/plan-move";
import { Command } from "commander";
import type { CliContext } from "../cli-context.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { serverConfig } from "../server-config.ts";
import { UsageError } from "../usage-error.ts";

interface MoveFlags {
  readonly to: string;
  readonly dryRun?: true;
  readonly abort?: true;
}

/** `entrepot database move`: from SQLite to PostgreSQL, on the server's own machine. */
export function databaseCommand(contextOf: ContextOf): Command {
  const move = new Command("move")
    .summary("move the SQLite database to PostgreSQL while the registry runs")
    .description(
      "Copies every table into an empty PostgreSQL database, follows what is written meanwhile, compares all rows, and then, while writers wait for a moment, carries the last changes over. From then on the registry on SQLite refuses to write, and instances with the new ENTREPOT_DATABASE_URL, which may wait for that moment already, go on. Interrupted before, nothing has changed; run it again to begin anew, or to end what had only to be ended.",
    )
    .requiredOption("--to <url>", "postgres://USER@HOST/DATABASE; the password as for the server")
    .option("--dry-run", "say what would be moved, and change nothing")
    .option("--abort", "end a move that was broken off: the registry stays on SQLite")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot database move --to postgres://entrepot@db.example.org/entrepot --dry-run\n  entrepot database move --to postgres://entrepot@db.example.org/entrepot",
    )
    .action(async (flags: MoveFlags, command: Command) => {
      const context = contextOf(command);
      if (!/^postgres(ql)?:\/\//.test(flags.to)) {
        throw new UsageError("--to must be an address such as postgres://USER@HOST/DATABASE");
      }
      if (flags.dryRun && flags.abort) throw new UsageError("--dry-run and --abort exclude each other");
      const server = await import("@entrepot/server/app/move-database");
      const options = { ...serverConfig(context), to: flags.to };
      if (flags.dryRun) return showPlan(context, await server.planDatabaseMove(options));
      if (flags.abort) {
        const isEnded = await server.abortDatabaseMove(options);
        const text = isEnded ? "ended: the registry stays on SQLite" : "there is no move to end";
        return context.output.result({ aborted: isEnded }, [text]);
      }
      const onProgress = createProgress(context);
      showReport(context, await server.moveDatabase({ ...options, signal: context.signal, onProgress }));
    });
  return new Command("database").summary("where metadata lies").addCommand(move);
}

const stepWords: Readonly<Record<MoveProgress["step"], string>> = {
  prepare: "preparing both databases",
  copy: "copying",
  follow: "following what is written meanwhile",
  index: "building indexes",
  check: "comparing",
  "cut over": "cutting over: writers wait",
  open: "opening the new database",
  validate: "checking foreign keys, while instances may work already",
};

const noteEveryMs = 2_000;

/** A line for each step, and now and then one that says how far it is. */
function createProgress(context: CliContext): (progress: MoveProgress) => void {
  let step: MoveProgress["step"] | undefined;
  let notedAtMs = 0;
  return (progress) => {
    const isNew = progress.step !== step;
    if (!isNew && performance.now() - notedAtMs < noteEveryMs) return;
    step = progress.step;
    notedAtMs = performance.now();
    const parts = [progress.of, progress.done].filter((part) => part !== undefined);
    context.output.note([stepWords[step], ...parts].join(" "));
  };
}

function showPlan(context: CliContext, plan: MovePlan): void {
  const { target, begun } = plan;
  const state =
    begun === undefined
      ? []
      : [[begun.isMoved ? "has moved already to" : "a move has begun to", begun.target]];
  const rows = plan.tables.filter(({ rows: count }) => count > 0);
  context.output.result(
    plan,
    formatTable([
      ...rows.map(({ table, rows: count }) => [table, String(count)]),
      ["rows", String(plan.rows)],
      ["target", target],
      ...state,
    ]),
  );
  if (target === "in use") process.exitCode = 1;
}

function showReport(context: CliContext, report: MoveReport): void {
  const rows = report.tables.filter(({ rows: count }) => count > 0);
  context.output.result(
    report,
    formatTable([
      ...rows.map(({ table, rows: count }) => [table, String(count)]),
      ["rows", String(report.rows)],
      ["changes meanwhile", String(report.changes)],
      ["writers waited", report.heldMs === undefined ? "ended before" : `${Math.round(report.heldMs)} ms`],
      ["took", `${(report.durationMs / 1_000).toFixed(1)} s`],
    ]),
  );
}
