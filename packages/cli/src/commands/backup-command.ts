import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatBytes, formatTable } from "../format-text.ts";
import { serverConfig } from "../server-config.ts";

/** `entrepot backup` and `entrepot restore`: an embedded registry, on its own machine. */
export function backupCommands(contextOf: ContextOf): readonly Command[] {
  const create = new Command("backup")
    .summary("back up an embedded registry, which may be running")
    .description(
      "Copies the SQLite database as of one moment and every blob that it names into a folder; into one with an earlier backup only what is new. The registry may be running. Exit code 1 when a blob could not be read.",
    )
    .argument("<folder>", "a folder that is empty, missing, or has an earlier backup")
    .addHelpText("after", "\nExamples:\n  entrepot backup /backup/registry")
    .action(async (folder: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const { backup } = await import("@entrepot/server/app/backup");
      const report = await backup({
        ...serverConfig(context),
        folder,
        signal: context.signal,
        onProgress: ({ blobs, bytes }) => context.output.note(`${blobs} blobs, ${formatBytes(bytes)}`),
      });
      for (const digest of report.missing)
        context.output.note(`cannot be read: ${digest}; see entrepot verify`);
      if (report.secretKey === "settings") {
        context.output.note("The secret key comes from the settings and is not in the backup: keep it, too.");
      }
      const rows = [
        ["as of", new Date(report.takenAtMs).toISOString()],
        ["blobs", `${report.blobs.count} (${formatBytes(report.blobs.bytes)})`],
        ["copied now", `${report.copied} (${formatBytes(report.copiedBytes)})`],
        ["could not be read", String(report.missing.length)],
        ["took", `${(report.durationMs / 1_000).toFixed(1)} s`],
      ];
      context.output.result(report, formatTable(rows));
      if (report.missing.length > 0) process.exitCode = 1;
    });
  const restore = new Command("restore")
    .summary("restore a backup into an empty place")
    .description(
      "Brings a backup back to where the configuration says database, storage and secret key are; nothing may be there, and no registry may be running. Exit code 1 when a blob is lost.",
    )
    .argument("<folder>", "the folder of the backup")
    .addHelpText(
      "after",
      "\nExamples:\n  ENTREPOT_DATA_DIR=/var/lib/entrepot entrepot restore /backup/registry",
    )
    .action(async (folder: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const { restore: run } = await import("@entrepot/server/app/backup");
      const report = await run({
        ...serverConfig(context),
        folder,
        signal: context.signal,
        onProgress: ({ blobs, bytes }) => context.output.note(`${blobs} blobs, ${formatBytes(bytes)}`),
      });
      for (const digest of report.lost) context.output.note(`lost until it is pushed again: ${digest}`);
      const rows = [
        ["as of", new Date(report.takenAtMs).toISOString()],
        ["blobs", `${report.blobs.count} (${formatBytes(report.blobs.bytes)})`],
        ["lost", String(report.lost.length)],
        ["took", `${(report.durationMs / 1_000).toFixed(1)} s`],
      ];
      context.output.result(report, formatTable(rows));
      if (report.lost.length > 0) process.exitCode = 1;
    });
  return [create, restore];
}
