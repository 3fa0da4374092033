import { Argument, Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf } from "../management-client.ts";
import { managementCommand, openManagement } from "../management-command.ts";
import { parseDays } from "../parse-days.ts";
import { UsageError } from "../usage-error.ts";
import { defaultGrantCommand } from "./default-grant-command.ts";

const toWhom = "a user, a robot such as acme+ci, or team:NAME of the same organization";

/** `entrepot grant`: who may do what, on a repository or on the paths of a pattern. */
export function grantCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const list = new Command("ls")
    .summary("list the grants on a repository, or of a namespace")
    .argument("<place>", "a repository, or a namespace")
    .action(async (place: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      if (!place.includes("/")) {
        const path = `/api/v1/organizations/${place}/grants?repositories=true`;
        const found = await client.list(path, "grants", "list grants");
        const rows = found.map((grant) => {
          const [pattern = "", repository = "", username = "", team = "", role = "", until = ""] =
            cellsOf([grant], ["pattern", "repository", "username", "team", "role", "expiresAtMs"])[0] ?? [];
          return [pattern || repository, username || `team:${team}`, role, until];
        });
        context.output.result(found, formatTable(rows));
        return;
      }
      const found = await client.send("GET", `/api/v1/repositories/${place}/-/grants`, "list grants");
      const rows = ["users", "robots", "teams"].flatMap((kind) => {
        const entries = found[kind];
        if (!Array.isArray(entries)) return [];
        const name = kind === "teams" ? "team" : "username";
        return cellsOf(entries, [name, "role", "expiresAtMs"]).map(([who = "", ...how]) => [
          kind === "teams" ? `team:${who}` : who,
          ...how,
        ]);
      });
      context.output.result(found, formatTable(rows));
    });
  const set = new Command("set")
    .summary("grant a role, in place of the one that was there")
    .argument("<place>", "a repository, or a pattern such as 'acme/app/**'")
    .argument("<to>", toWhom)
    .addArgument(new Argument("<role>").choices(["read", "write", "admin"]))
    .option("--days <n>", "for so many days; for good when left out")
    .action(async (place: string, to: string, role: string, options: { days?: string }, command: Command) => {
      const { context, client } = open(command);
      const how = { role, ...(options.days !== undefined && { expiresAtMs: parseDays(options.days) }) };
      const done = place.includes("*")
        ? await client.send("POST", ofNamespace(place), "grant it", {
            pattern: place,
            ...subjectOf(to),
            ...how,
          })
        : await client.send("PUT", onRepository(place, to), "grant it", how);
      context.output.result(done, [`${to} may ${role} ${place}`]);
    });
  const remove = new Command("rm")
    .summary("take a grant back")
    .argument("<place>", "a repository or pattern")
    .argument("<to>", toWhom)
    .action(async (place: string, to: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const query = new URLSearchParams({ pattern: place, ...subjectOf(to) });
      const path = place.includes("*")
        ? `${ofNamespace(place)}?${query.toString()}`
        : onRepository(place, to);
      await client.send("DELETE", path, "take it back");
      context.output.result({ place, to }, [`${to} has no grant on ${place} any more`]);
    });
  const command = managementCommand("grant", {
    summary: "manage who may do what",
    description: "Grants give a role on a repository, or on all that a pattern names: read, write or admin.",
    examples: [
      "grant set acme/app anna read --days 5",
      "grant set 'acme/app/**' team:release write",
      "grant ls acme",
      "grant rm acme/app anna",
      "grant default add acme team:release write",
    ],
  });
  for (const each of [list, set, remove, defaultGrantCommand(open)]) command.addCommand(each);
  return command;
}

function subjectOf(to: string): { readonly username: string } | { readonly team: string } {
  return to.startsWith("team:") ? { team: to.slice("team:".length) } : { username: to };
}

function ofNamespace(pattern: string): string {
  const [namespace = "", ...rest] = pattern.split("/");
  if (namespace === "" || namespace.includes("*") || rest.length === 0) {
    throw new UsageError(`${JSON.stringify(pattern)} must begin with a namespace, such as acme/**`);
  }
  return `/api/v1/organizations/${namespace}/grants`;
}

function onRepository(repository: string, to: string): string {
  const subject = subjectOf(to);
  const who = "team" in subject ? `teams/${subject.team}` : `users/${encodeURIComponent(subject.username)}`;
  return `/api/v1/repositories/${repository}/-/grants/${who}`;
}
