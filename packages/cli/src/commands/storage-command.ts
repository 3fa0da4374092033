import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatBytes, formatTable } from "../format-text.ts";
import { parseWholeNumber } from "../parse-whole-number.ts";
import { serverConfig } from "../server-config.ts";

/** `entrepot storage move`: from one storage to another, on the server's own machine. */
export function storageCommand(contextOf: ContextOf): Command {
  const move = new Command("move")
    .summary("move all blobs to the present storage while the registry runs")
    .description(
      "Copies every blob from the storage of `storage.previousUrl` to that of `storage.url`, checks it, and says in the database that it lies there now. The registry runs over both meanwhile. May be interrupted and run again. Exit code 1 while something is left.",
    )
    .option("--parallel <n>", "blobs that are copied at once", "4")
    .addHelpText("after", "\nExamples:\n  entrepot storage move --config /etc/entrepot.yaml")
    .action(async (options: { readonly parallel: string }, command: Command) => {
      const context = contextOf(command);
      const { moveStorage } = await import("@entrepot/server/app/move-storage");
      const report = await moveStorage({
        ...serverConfig(context),
        parallel: parseWholeNumber(options.parallel, "--parallel", 1, 64),
        signal: context.signal,
        onProgress: ({ blobs, bytes }) => context.output.note(`${blobs} blobs, ${formatBytes(bytes)}`),
      });
      for (const digest of report.damaged) context.output.note(`damaged, stays where it is: ${digest}`);
      const rows = [
        ["moved", `${report.moved} (${formatBytes(report.bytes)})`],
        ["damaged", String(report.damaged.length)],
        ["uploads that end in the storage before", String(report.uploadsLeft)],
      ];
      context.output.result(report, formatTable(rows));
      if (report.damaged.length + report.uploadsLeft > 0) process.exitCode = 1;
    });
  return new Command("storage").summary("where blobs lie").addCommand(move);
}
