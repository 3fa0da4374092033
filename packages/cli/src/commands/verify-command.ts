import { isObject } from "@entrepot/oci/json-object";
import type { Problem, VerifyReport } from "@entrepot/server/app/verify";
import { Command } from "commander";
import type { CliContext } from "../cli-context.ts";
import type { ContextOf } from "../command-context.ts";
import { exitCodes } from "../exit-codes.ts";
import { formatBytes, formatTable } from "../format-text.ts";
import { parseHostArgument } from "../image-argument.ts";
import { parseWholeNumber } from "../parse-whole-number.ts";
import { serverConfig } from "../server-config.ts";
import { UsageError } from "../usage-error.ts";
import { verifyRemotely } from "../verify-remotely.ts";

interface VerifyCommandOptions {
  readonly repair?: true;
  readonly quick?: true;
  readonly resume?: true;
  readonly parallel: string;
  readonly rate?: string;
  readonly registry?: string;
}

const bytesPerMegabyte = 1_000_000;
/** So many problems are in the result; all are told while they are found. */
const maxFound = 1_000;

/** `entrepot verify`: rows against bytes, on the server's own machine or by a running registry. */
export function verifyCommand(contextOf: ContextOf): Command {
  return new Command("verify")
    .summary("check all content: rows against bytes, and bytes against digests")
    .description(
      "Reads every blob and every manifest that the configuration's database and storage hold and checks digests, sizes, references and objects that nobody knows. The registry may be running; with --registry it does the work itself, as a job. Exit code 1 when something is wrong that was not repaired; 7 when nothing is, but a storage region did not answer and was not looked at.",
    )
    .option(
      "--repair",
      "repair what can be: rows from manifests, links from blobs, objects that nobody knows; keep damaged blobs from being served until they are pushed again",
    )
    .option("--quick", "do not read blobs: only whether they are there with their size")
    .option("--resume", "go on with the blobs where a run that was interrupted stopped")
    .option("--parallel <n>", "blobs that are read at once", "2")
    .option("--rate <megabytes>", "read at most so much a second")
    .option(
      "--registry <host>",
      "have this running registry do it, with the stored credentials of an auditor or, to repair, an administrator",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot verify --rate 50\n  entrepot verify --repair --json\n  entrepot verify --registry registry.example.org --quick",
    )
    .action(async (options: VerifyCommandOptions, command: Command) => {
      const context = contextOf(command);
      const parallel = parseWholeNumber(options.parallel, "--parallel", 1, 64);
      const rate =
        options.rate === undefined ? undefined : parseWholeNumber(options.rate, "--rate", 1, 1_000_000);
      if (options.registry !== undefined) {
        if (options.resume === true) {
          throw new UsageError("--resume is for the server's own machine; a job goes on by itself");
        }
        const host = parseHostArgument(options.registry);
        await showRemote(context, host, {
          repair: options.repair === true,
          quick: options.quick === true,
          parallel,
          ...(rate === undefined ? {} : { megabytesPerSecond: rate }),
        });
        return;
      }
      const problems: Problem[] = [];
      const { verify } = await import("@entrepot/server/app/verify");
      const report = await verify({
        ...serverConfig(context),
        repair: options.repair === true,
        hash: options.quick !== true,
        resume: options.resume === true,
        parallel,
        bytesPerSecond: rate === undefined ? undefined : rate * bytesPerMegabyte,
        signal: context.signal,
        onProblem: (problem) => {
          if (problems.length < maxFound) problems.push(problem);
          context.output.note(`${problem.outcome} ${problem.kind} ${problem.subject}: ${problem.detail}`);
          if (problem.affects.length > 0) context.output.note(`  needed by ${problem.affects.join(", ")}`);
        },
        onUnseen: (region) => context.output.note(`the storage region ${region} does not answer`),
        onProgress: ({ phase, blobs, totalBlobs, bytes, totalBytes }) => {
          if (phase !== "blobs") context.output.note(`looking at ${phase}`);
          else {
            const read = `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`;
            context.output.note(`${blobs} of ${totalBlobs} blobs, ${read}`);
          }
        },
      });
      const isCut = report.problems > problems.length;
      show(context, report, { found: problems, isCut });
    });
}

async function showRemote(
  context: CliContext,
  host: string,
  order: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { report, found } = await verifyRemotely(context, host, order);
  for (const { outcome, kind, subject, detail, affects } of found) {
    context.output.note(`${String(outcome)} ${String(kind)} ${String(subject)}: ${String(detail)}`);
    if (Array.isArray(affects) && affects.length > 0) {
      context.output.note(`  needed by ${affects.map(String).join(", ")}`);
    }
  }
  const count = (name: string) => (typeof report[name] === "number" ? report[name] : 0);
  const numbers = {
    manifests: count("manifests"),
    objects: count("objects"),
    blobs: count("blobs"),
    bytes: count("bytes"),
    problems: count("problems"),
    quarantined: count("quarantined"),
    unrepaired: count("unrepaired"),
    durationMs: count("durationMs"),
    unseenRegions: unseenOf(report["unseenRegions"]),
  };
  show(context, numbers, { found, isCut: report["isCut"] === true });
}

function unseenOf(value: unknown): VerifyReport["unseenRegions"] {
  const regions = Array.isArray(value) ? value.filter(isObject) : [];
  return regions.map(({ region, blobs, isListed, error }) => ({
    region: String(region),
    blobs: typeof blobs === "number" ? blobs : 0,
    isListed: isListed === true,
    error: typeof error === "string" ? error : "",
  }));
}

/** The result, and the exit code: what is wrong counts more than what was not seen. */
function show(
  context: CliContext,
  report: VerifyReport,
  problems: { readonly found: readonly unknown[]; readonly isCut: boolean },
): void {
  for (const { region, blobs, isListed, error } of report.unseenRegions) {
    const strays = isListed ? "" : ", and not whether something lies there that nobody knows";
    context.output.note(
      `storage region ${region}: ${blobs} blobs were not looked at${strays}: ${error}; verify again when it answers`,
    );
  }
  if (problems.isCut) {
    context.output.note(`the result names the first ${problems.found.length} of ${report.problems} problems`);
  }
  context.output.result({ ...report, ...problems }, formatTable(rowsOf(report)));
  if (report.unrepaired + report.quarantined > 0) process.exitCode = exitCodes.failed;
  else if (report.unseenRegions.length > 0) process.exitCode = exitCodes.unreachable;
}

function rowsOf(report: VerifyReport): readonly (readonly string[])[] {
  return [
    ["manifests", String(report.manifests)],
    ["objects in storage", String(report.objects)],
    ["blobs", `${report.blobs} (${formatBytes(report.bytes)})`],
    ["problems", String(report.problems)],
    ["in quarantine until pushed again", String(report.quarantined)],
    ["not repaired", String(report.unrepaired)],
    ...report.unseenRegions.map(({ region, blobs }) => [`not seen in ${region}`, `${blobs} blobs`]),
    ["took", `${(report.durationMs / 1_000).toFixed(1)} s`],
  ];
}
