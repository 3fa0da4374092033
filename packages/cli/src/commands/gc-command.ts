import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatBytes, formatTable } from "../format-text.ts";
import { readGarbageCandidates, readGarbagePass } from "../garbage-report.ts";
import { parseHostArgument } from "../image-argument.ts";
import { requestManagement } from "../management-request.ts";

interface GcOptions {
  readonly registry?: string;
  readonly dryRun?: true;
}

/** `entrepot gc`: a pass of garbage collection in a running registry, now. */
export function gcCommand(contextOf: ContextOf): Command {
  return new Command("gc")
    .summary("collect garbage now, or tell what would go")
    .description(
      "Asks a running registry for a pass of garbage collection. It also runs by itself all the time; nothing that is reachable goes, and pushes may go on meanwhile. Needs an administrator's credentials.",
    )
    .option("--registry <host>", "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out")
    .option("--dry-run", "only tell what a pass would remove")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot gc --dry-run\n  entrepot gc --registry registry.example.org",
    )
    .action(async (options: GcOptions, command: Command) => {
      const context = contextOf(command);
      const host = parseHostArgument(options.registry ?? context.environment.defaultHost);
      if (options.dryRun === true) {
        const json = await requestManagement(context, host, {
          method: "GET",
          path: "/api/v1/garbage-collection",
          what: "ask what garbage there is",
        });
        const found = readGarbageCandidates(json);
        const rows = [
          ["manifests", String(found.manifests)],
          ["links", String(found.links)],
          ["blobs", `${found.blobs} (${formatBytes(found.blobBytes)})`],
          ["waiting to be removed", `${found.pendingDeletions} (${formatBytes(found.pendingDeletionBytes)})`],
        ];
        context.output.result(json, formatTable(rows));
        return;
      }
      const json = await requestManagement(context, host, {
        method: "POST",
        path: "/api/v1/garbage-collection/runs",
        body: { dryRun: false },
        what: "collect garbage",
      });
      const pass = readGarbagePass(json);
      const rows = [
        ["manifests", String(pass.manifests)],
        ["links", String(pass.links)],
        ["blobs", `${pass.blobs} (${formatBytes(pass.bytes)})`],
        ["took", `${(pass.durationMs / 1_000).toFixed(1)} s`],
      ];
      context.output.result(json, formatTable(rows));
    });
}
