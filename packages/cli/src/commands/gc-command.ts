import { isObject } from "@entrepot/oci/json-object";
import { Command } from "commander";
import type { CliContext } from "../cli-context.ts";
import type { ContextOf } from "../command-context.ts";
import { formatBytes, formatTable } from "../format-text.ts";
import { readGarbageCandidates, readGarbagePass, readStrays } from "../garbage-report.ts";
import { parseHostArgument } from "../image-argument.ts";
import { requestManagement } from "../management-request.ts";
import { parseWholeNumber } from "../parse-whole-number.ts";

interface GcOptions {
  readonly registry?: string;
  readonly dryRun?: true;
  readonly strays?: true;
}

const registryOption = [
  "--registry <host>",
  "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out",
] as const;

/** `entrepot gc`: a pass of garbage collection in a running registry, now. */
export function gcCommand(contextOf: ContextOf): Command {
  return holdCommands(contextOf).reduce(
    (command, child) => command.addCommand(child),
    collectCommand(contextOf),
  );
}

function holdCommands(contextOf: ContextOf): readonly Command[] {
  const hostOf = (context: CliContext, command: Command) =>
    parseHostArgument(command.optsWithGlobals<GcOptions>().registry ?? context.environment.defaultHost);
  const hold = new Command("hold")
    .summary("remove no bytes from storage for a while, for a backup")
    .description(
      "No instance removes bytes from storage until the hold ends. What was deleted is gone all the same; only its bytes wait. Repeated, the later word counts.",
    )
    .requiredOption("--for <hours>", "how long, such as 24h; at most 720h")
    .option(...registryOption)
    .addHelpText("after", "\nExamples:\n  entrepot gc hold --for 24h")
    .action(async (options: { readonly for: string }, command: Command) => {
      const context = contextOf(command);
      const hours = parseWholeNumber(options.for.replace(/h$/, ""), "--for", 1, 720);
      const json = await requestManagement(context, hostOf(context, command), {
        method: "PUT",
        path: "/api/v1/garbage-collection/hold",
        body: { hours },
        what: "hold bytes in storage",
      });
      const untilMs = isObject(json) ? json["heldUntilMs"] : undefined;
      const until = typeof untilMs === "number" ? ` until ${new Date(untilMs).toISOString()}` : "";
      context.output.result(json, [`held${until}`]);
    });
  const release = new Command("release")
    .summary("end the hold before its time")
    .option(...registryOption)
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      await requestManagement(context, hostOf(context, command), {
        method: "DELETE",
        path: "/api/v1/garbage-collection/hold",
        what: "end the hold",
      });
      context.output.result({ released: true }, ["released"]);
    });
  return [hold, release];
}

function collectCommand(contextOf: ContextOf): Command {
  return new Command("gc")
    .summary("collect garbage now, or tell what would go")
    .description(
      "Asks a running registry for a pass of garbage collection. It also runs by itself all the time; nothing that is reachable goes, and pushes may go on meanwhile. Needs an administrator's credentials.",
    )
    .option(...registryOption)
    .option("--dry-run", "only tell what would be removed")
    .option(
      "--strays",
      "instead, remove what lies in the blob store and the database does not know; reads its whole listing",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot gc --dry-run\n  entrepot gc --registry registry.example.org\n  entrepot gc --strays --dry-run",
    )
    .action(async (options: GcOptions, command: Command) => {
      const context = contextOf(command);
      const host = parseHostArgument(options.registry ?? context.environment.defaultHost);
      if (options.strays === true) {
        const json = await requestManagement(context, host, {
          method: "POST",
          path: "/api/v1/garbage-collection/strays",
          body: { dryRun: options.dryRun === true },
          what: "look for strays",
        });
        const strays = readStrays(json);
        const rows = [
          ["uploads", String(strays.uploads)],
          ["blobs", String(strays.blobs)],
          ["bytes", formatBytes(strays.bytes)],
        ];
        context.output.result(json, formatTable(rows));
        return;
      }
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
