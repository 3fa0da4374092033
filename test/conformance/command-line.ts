import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { accessModes } from "./access.ts";
import type { ConformanceOptions } from "./conformance-options.ts";
import type { ConformanceReport } from "./conformance-report.ts";
import { formatReport, formatReportAsJson } from "./format-report.ts";
import { fullMarksProblems } from "./full-marks.ts";
import { findProfileName, profileNames } from "./profile.ts";

const usage = `usage: run-conformance.ts --registry http://127.0.0.1:5000 [options]
  --profile    ${profileNames.join(" | ")} (default: stable)
  --access     ${accessModes.join(" | ")} (default: anonymous)
  --username, --password      for basic and bearer
  --repo1, --repo2            where to push, where to mount from (default: conformance/repo1, conformance/repo2)
  --filter PREFIX             run only what starts so, for example "image" or "sha256 blobs/mount"
  --json FILE                 write the whole report
  --timeout-ms N              limit for one request (default: 30000)
  --insecure                  accept any TLS certificate
  --allow-skips               answers that say "not supported" do not fail the run
`;

/** A mistake in the arguments. */
class UsageError extends Error {}

/**
 * Runs the suite as the arguments say and prints the report. Resolves with the exit code: 0 when everything passed, 1 when
 * something failed, was skipped (unless allowed) or did not run, 2 when the arguments make no sense.
 */
export async function main(
  args: readonly string[],
  runConformance: (options: ConformanceOptions) => Promise<ConformanceReport>,
): Promise<number> {
  try {
    const { options, jsonFile, allowsSkips } = parseArguments(args);
    const report = await runConformance(options);
    process.stdout.write(formatReport(report));
    if (jsonFile !== undefined) await writeFile(jsonFile, formatReportAsJson(report));
    return exitCode(report, { allowsSkips, isFiltered: options.filter !== undefined });
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    process.stderr.write(`${cause.message}\n${usage}`);
    return 2;
  }
}

/** See `main`. A run of everything must also have run everything. */
export function exitCode(
  report: ConformanceReport,
  options: { readonly allowsSkips: boolean; readonly isFiltered: boolean },
): number {
  const { FAIL, Error: errors, Skip, Pass } = report.counts;
  if (FAIL > 0 || errors > 0 || Pass === 0) return 1;
  if (Skip > 0) return options.allowsSkips ? 0 : 1;
  return options.isFiltered || fullMarksProblems(report).length === 0 ? 0 : 1;
}

interface Arguments {
  readonly options: ConformanceOptions;
  readonly jsonFile: string | undefined;
  readonly allowsSkips: boolean;
}

function parseArguments(args: readonly string[]): Arguments {
  const values = readValues(args);
  const { registry, username, password, json: jsonFile, filter, repo1, repo2 } = values;
  if (registry === undefined || !URL.canParse(registry)) throw new UsageError("--registry needs an address");
  const profile = findProfileName(values.profile ?? "stable");
  if (profile === undefined) throw new UsageError(`there is no profile ${values.profile}`);
  const access = accessModes.find((mode) => mode === (values.access ?? "anonymous"));
  if (access === undefined) throw new UsageError(`there is no access mode ${values.access}`);
  const credentials = username !== undefined && password !== undefined ? { username, password } : undefined;
  if (access !== "anonymous" && credentials === undefined) {
    throw new UsageError(`access mode ${access} needs --username and --password`);
  }
  const requestTimeoutMs = Number(values["timeout-ms"] ?? 30_000);
  if (!(requestTimeoutMs > 0)) throw new UsageError("--timeout-ms needs a number of milliseconds");
  const options = {
    registry,
    profile,
    access,
    requestTimeoutMs,
    isInsecure: values.insecure ?? false,
    ...(credentials && { credentials }),
    ...(filter !== undefined && { filter }),
    ...(repo1 !== undefined && { repository: repo1 }),
    ...(repo2 !== undefined && { mountSource: repo2 }),
  };
  return { options, jsonFile, allowsSkips: values["allow-skips"] ?? false };
}

// The shape follows from the table of options, which `parseArgs` turns into types.
function readValues(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const options = {
    registry: text,
    profile: text,
    access: text,
    username: text,
    password: text,
    repo1: text,
    repo2: text,
    filter: text,
    json: text,
    "timeout-ms": text,
    insecure: flag,
    "allow-skips": flag,
  };
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
