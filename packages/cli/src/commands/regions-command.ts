import { isObject } from "@entrepot/oci/json-object";
import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatHeadedTable, formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { UsageError } from "../usage-error.ts";

interface PlaceOptions {
  readonly allow?: string;
  readonly copy?: string;
  readonly everywhere?: boolean;
}

const base = "/api/v1/regions";

/** `entrepot regions`: where content lies that is kept in several storage regions. */
export function regionsCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("storage regions: whether they answer, what lies there, what is still to be copied")
    .action(async (_options: object, command: Command) => {
      const { context, client } = open(command);
      const json = await client.send("GET", base, "list storage regions");
      const rows = entriesOf(json, "regions").map((region) => {
        const missing = isObject(region["missing"]) ? region["missing"] : {};
        return {
          ...region,
          state: stateOf(region),
          missing: missing["blobs"],
          missingBytes: missing["bytes"],
          waitingSince: timeOf(missing["oldestSinceMs"]),
        };
      });
      const fields = [
        "name",
        "state",
        "blobs",
        "bytes",
        "missing",
        "missingBytes",
        "waitingSince",
        "onlyHereBlobs",
        "uploads",
        "surplusBlobs",
        "owedDeletions",
      ];
      const titles = [
        "name",
        "state",
        "blobs",
        "bytes",
        "missing blobs",
        "missing bytes",
        "waiting since",
        "only here",
        "uploads",
        "to be removed",
        "owed deletions",
      ];
      const lines = formatHeadedTable(titles, cellsOf(rows, fields));
      context.output.result(json, rows.length === 0 ? ["there is one storage, not several regions"] : lines);
    });
  const blob = new Command("blob")
    .summary("in which storage regions a blob lies, and to which it is still to be copied")
    .argument("<digest>")
    .action(async (digest: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const path = `/api/v1/blobs/${encodeURIComponent(digest)}/regions`;
      const json = await client.send("GET", path, "look up the blob");
      const rows = entriesOf(json, "regions").map((row) => ({ ...row, since: timeOf(row["sinceMs"]) }));
      const fields = ["region", "state", "since", "failedAttempts", "error"];
      const titles = ["region", "state", "since", "failed attempts", "error"];
      context.output.result(json, formatHeadedTable(titles, cellsOf(rows, fields)));
    });
  const placement = new Command("placement")
    .summary("where the content of a namespace may lie, and where it is copied")
    .argument("<namespace>")
    .action(async (namespace: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const path = placementOf(namespace);
      const json = await client.send("GET", path, "show the placement");
      context.output.result(json, placementLines(json));
    });
  const place = new Command("place")
    .summary("say where the content of a namespace may lie, and where it is copied")
    .argument("<namespace>")
    .option(
      "--allow <regions>",
      "the only regions in which it may lie, separated by commas; all when left out",
    )
    .option("--copy <regions>", "those that it is copied to; when left out, as usual")
    .option("--everywhere", "as content of other namespaces")
    .action(async (namespace: string, options: PlaceOptions, command: Command) => {
      const { allow, copy, everywhere } = options;
      if ((allow === undefined && copy === undefined) === (everywhere !== true)) {
        throw new UsageError("say --allow, --copy or both, or --everywhere");
      }
      const { context, client } = open(command);
      const body = { allowed: listOf(allow), copies: listOf(copy) };
      const json = await client.send("PUT", placementOf(namespace), "set the placement", body);
      context.output.result(json, placementLines(json));
    });
  const retire = new Command("retire")
    .summary("have a region emptied while everything runs: nothing new goes there, what lies there moves")
    .argument("<region>")
    .option("--undo", "use it again")
    .action(async (region: string, options: { readonly undo?: boolean }, command: Command) => {
      const { context, client } = open(command);
      const path = `${base}/${encodeURIComponent(region)}/retirement`;
      if (options.undo === true) {
        await client.send("DELETE", path, "use the region again");
        context.output.result({}, [`${region} is used again`]);
        return;
      }
      await client.send("PUT", path, "retire the region");
      context.output.result({}, [
        `${region} is being emptied: regions ls says what is left; take it out of the settings when that is nothing`,
      ]);
    });
  const forget = new Command("rm")
    .summary("forget a region that is configured no more; its bytes are not touched")
    .argument("<region>")
    .action(async (region: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", `${base}/${encodeURIComponent(region)}`, "forget the region");
      context.output.result({}, [`${region} is forgotten`]);
    });
  const group = managementCommand("regions", {
    summary: "see and steer in which storage regions content lies",
    examples: [
      "regions ls",
      "regions place acme --allow eu,eu-west",
      "regions placement acme",
      "regions blob sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    ],
  });
  for (const command of [list, blob, placement, place, retire, forget]) group.addCommand(command);
  return group;
}

function placementOf(namespace: string): string {
  return `/api/v1/organizations/${encodeURIComponent(namespace)}/placement`;
}

function listOf(text: string | undefined): readonly string[] | null {
  return text === undefined ? null : text.split(",").map((part) => part.trim());
}

function placementLines(json: unknown): readonly string[] {
  const { allowed, copies } = isObject(json) ? json : {};
  const named = (value: unknown, otherwise: string) => (Array.isArray(value) ? value.join(", ") : otherwise);
  return formatTable([
    ["may lie in", named(allowed, "every region")],
    ["copied to", named(copies, "those that are copied to by default")],
  ]);
}

function stateOf(region: Readonly<Record<string, unknown>>): string {
  if (region["isConfigured"] !== true) return "not configured";
  const own = `${region["isOwn"] === true ? ", asked here" : ""}${region["isRetiring"] === true ? ", being emptied" : ""}`;
  return region["ok"] === true ? `answers${own}` : `away${own}: ${String(region["error"])}`;
}

function entriesOf(json: unknown, field: string): readonly Readonly<Record<string, unknown>>[] {
  const entries = isObject(json) ? json[field] : undefined;
  return Array.isArray(entries) ? entries.filter(isObject) : [];
}

function timeOf(ms: unknown): string {
  return typeof ms === "number" ? new Date(ms).toISOString() : "";
}
