import { createAccess } from "./access.ts";
import { runBlobGroup } from "./cases/blob-group.ts";
import { runDataSetGroup } from "./cases/data-set-group.ts";
import {
  runEmptyGroup,
  runInvalidDigestGroup,
  runMissingManifestGroup,
  runPing,
} from "./cases/other-groups.ts";
import { main } from "./command-line.ts";
import type { ConformanceOptions } from "./conformance-options.ts";
import type { ConformanceReport } from "./conformance-report.ts";
import { createReport } from "./conformance-report.ts";
import { digestAlgorithms } from "./content-digest.ts";
import { buildDataSets } from "./data-sets/build-data-sets.ts";
import { createHttpSender } from "./http-exchange.ts";
import { getProfile } from "./profile.ts";
import { createRegistryClient } from "./registry-client.ts";
import { ResultGroup } from "./results.ts";
import type { RunContext } from "./run-context.ts";
import { PushMemory } from "./run-context.ts";

/**
 * Runs the suite against a registry and resolves with what was found; failures of the registry are in the report, never
 * thrown. Everything that was pushed is deleted again, so it may be repeated. Two runs at the same time need repositories
 * of their own. Throws a plain `Error` for an address that is none and for missing credentials.
 */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  if (!URL.canParse(options.registry))
    throw new Error(`${JSON.stringify(options.registry)} is not an address`);
  const registry = new URL(options.registry);
  const sender = createHttpSender({
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    isInsecure: options.isInsecure ?? false,
  });
  const access = createAccess({ mode: options.access, credentials: options.credentials, send: sender.send });
  const run: RunContext = {
    client: createRegistryClient(registry, sender, access),
    profile: getProfile(options.profile),
    repository: options.repository ?? "conformance/repo1",
    mountSource: options.mountSource ?? "conformance/repo2",
    pushMemory: new PushMemory(),
  };
  const startMs = performance.now();
  const root = new ResultGroup("");
  try {
    await runGroups(run, root, options.filter ?? "");
  } finally {
    sender.close();
  }
  const durationMs = performance.now() - startMs;
  const { profile, access: mode } = options;
  return createReport({ registry: registry.origin, profile, access: mode, durationMs }, root);
}

/** One after the other: what a case leaves behind, or learns about the registry, is what the next one starts from. */
async function runGroups(run: RunContext, root: ResultGroup, filter: string): Promise<void> {
  // In both directions: the groups above what is asked for, and everything below it.
  const isSelected = (path: string): boolean => path.startsWith(filter) || filter.startsWith(`${path}/`);
  const inGroup = async (name: string, body: (group: ResultGroup) => Promise<void>): Promise<void> => {
    if (isSelected(name)) await body(root.addGroup(name));
  };

  if (isSelected("ping")) await runPing(run, root);
  await inGroup("empty", (group) => runEmptyGroup(run, group));
  for (const algorithm of digestAlgorithms) {
    await inGroup(`${algorithm} blobs`, (group) => runBlobGroup({ run, group, algorithm, isSelected }));
  }
  for (const dataSet of buildDataSets(run.profile)) {
    await inGroup(dataSet.name, (group) => runDataSetGroup(run, group, dataSet));
  }
  await inGroup("missing-manifest", (group) => runMissingManifestGroup(run, group));
  await inGroup("invalid-digest-format", (group) => runInvalidDigestGroup(run, group));
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2), runConformance);
