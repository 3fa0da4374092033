import { isObject } from "@entrepot/oci/json-object";
import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { managementCommand, openManagement } from "../management-command.ts";

/** `entrepot health`: what a running registry finds of itself, with the errors as they come; for its administrators and auditors. */
export function healthCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  return managementCommand("health", {
    summary: "what a running registry finds of itself, and why a part fails",
    description:
      "Tells what the public health checks leave out: the errors of database and storage in their own words. For administrators and auditors. Exit code 1 when a part fails.",
    examples: ["health --registry registry.example.org"],
  }).action(async (_options: object, command: Command) => {
    const { context, client } = open(command);
    const json = await client.send("GET", "/api/v1/health", "ask how the registry is");
    const parts = ["instance", "endtoend"].flatMap((check) => partsOf(json[check]));
    const rows = parts.map(({ ok, name, error }) => [
      ok === true ? "ok" : "FAIL",
      String(name),
      ok === true ? "" : String(error),
    ]);
    context.output.result(json, formatTable(rows));
    if (parts.some(({ ok }) => ok !== true)) process.exitCode = 1;
  });
}

function partsOf(health: unknown): readonly Readonly<Record<string, unknown>>[] {
  const { parts } = isObject(health) ? health : {};
  return Array.isArray(parts) ? parts.filter(isObject) : [];
}
