import type { Problem } from "@entrepot/server/app/verify";
import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatBytes, formatTable } from "../format-text.ts";
import { parseWholeNumber } from "../parse-whole-number.ts";
import { serverConfig } from "../server-config.ts";

interface VerifyCommandOptions {
  readonly repair?: true;
  readonly quick?: true;
  readonly resume?: true;
  readonly parallel: string;
  readonly rate?: string;
}

const bytesPerMegabyte = 1_000_000;

/** `entrepot verify`: rows against bytes, on the server's own machine. */
export function verifyCommand(contextOf: ContextOf): Command {
  return new Command("verify")
    .summary("check all content: rows against bytes, and bytes against digests")
    .description(
      "Reads every blob and every manifest that the configuration's database and storage hold and checks digests, sizes, references and objects that nobody knows. The registry may be running. Exit code 1 when something is wrong that was not repaired.",
    )
    .option(
      "--repair",
      "repair what can be: rows from manifests, links from blobs, objects that nobody knows; keep damaged blobs from being served until they are pushed again",
    )
    .option("--quick", "do not read blobs: only whether they are there with their size")
    .option("--resume", "go on with the blobs where a run that was interrupted stopped")
    .option("--parallel <n>", "blobs that are read at once", "2")
    .option("--rate <megabytes>", "read at most so much a second")
    .addHelpText("after", "\nExamples:\n  entrepot verify --rate 50\n  entrepot verify --repair --json")
    .action(async (options: VerifyCommandOptions, command: Command) => {
      const context = contextOf(command);
      const problems: Problem[] = [];
      const { verify } = await import("@entrepot/server/app/verify");
      const report = await verify({
        ...serverConfig(context),
        repair: options.repair === true,
        hash: options.quick !== true,
        resume: options.resume === true,
        parallel: parseWholeNumber(options.parallel, "--parallel", 1, 64),
        bytesPerSecond:
          options.rate === undefined
            ? undefined
            : parseWholeNumber(options.rate, "--rate", 1, 1_000_000) * bytesPerMegabyte,
        signal: context.signal,
        onProblem: (problem) => {
          problems.push(problem);
          context.output.note(`${problem.outcome} ${problem.kind} ${problem.subject}: ${problem.detail}`);
          if (problem.affects.length > 0) context.output.note(`  needed by ${problem.affects.join(", ")}`);
        },
        onProgress: ({ phase, blobs, totalBlobs, bytes, totalBytes }) => {
          if (phase !== "blobs") context.output.note(`looking at ${phase}`);
          else {
            const read = `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`;
            context.output.note(`${blobs} of ${totalBlobs} blobs, ${read}`);
          }
        },
      });
      const rows = [
        ["manifests", String(report.manifests)],
        ["objects in storage", String(report.objects)],
        ["blobs", `${report.blobs} (${formatBytes(report.bytes)})`],
        ["problems", String(report.problems)],
        ["in quarantine until pushed again", String(report.quarantined)],
        ["not repaired", String(report.unrepaired)],
        ["took", `${(report.durationMs / 1_000).toFixed(1)} s`],
      ];
      context.output.result({ ...report, found: problems }, formatTable(rows));
      if (report.unrepaired + report.quarantined > 0) process.exitCode = 1;
    });
}
