import { readFile } from "node:fs/promises";
import { isObject } from "@entrepot/oci/json-object";
import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf, rowsOf } from "../management-client.ts";
import { managementCommand, type Open, openManagement } from "../management-command.ts";
import { parseWholeNumber } from "../parse-whole-number.ts";
import { UsageError } from "../usage-error.ts";

/** `entrepot elevate`: a role held for a time. */
export function elevateCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const command = managementCommand("elevate", {
    summary: "hold a role for a time and a reason",
    description:
      "Assumes a role that gives more rights for a while; it ends by itself. Everything done meanwhile is in the audit log with the elevation's number.",
    examples: [
      "elevate start acme/release --minutes 30 --reason 'hot fix for incident 812'",
      "elevate approve 17",
      "elevate end 17",
      "elevate roles set acme/release --file release.json",
    ],
  });
  for (const each of [
    startCommand(open),
    listCommand(open),
    decideCommand(open, "approve", "approval"),
    decideCommand(open, "refuse", "refusal"),
    showCommand(open),
    endCommand(open),
    rolesCommand(open),
  ]) {
    command.addCommand(each);
  }
  return command;
}

function startCommand(open: Open): Command {
  return new Command("start")
    .summary("assume a role, at once or as soon as somebody approves")
    .argument("<role>", "acme/release, or administrator for a role of the registry")
    .requiredOption("--reason <text>", "why, in ten characters or more")
    .option("--minutes <n>", "for how long", "60")
    .action(async (role: string, options: { reason: string; minutes: string }, command: Command) => {
      const { context, client } = open(command);
      const minutes = parseWholeNumber(options.minutes, "--minutes", 1, 10_080);
      const body = { role, reason: options.reason, durationSeconds: minutes * 60 };
      const made = await client.send("POST", "/api/v1/elevations", "assume the role", body);
      const [[id = "", state = "", until = ""] = []] = cellsOf([made], ["id", "state", "expiresAtMs"]);
      const line =
        state === "pending"
          ? `elevation ${id} waits for somebody to approve it`
          : `elevation ${id} to ${role} holds until ${until}`;
      context.output.result(made, [line]);
    });
}

function listCommand(open: Open): Command {
  return new Command("ls")
    .summary("list elevations that you hold or may decide about")
    .option("--state <state>", "pending, active, refused, ended or expired")
    .action(async (options: { state?: string }, command: Command) => {
      const { context, client } = open(command);
      const query = options.state === undefined ? "" : `?state=${encodeURIComponent(options.state)}`;
      const found = await client.list(`/api/v1/elevations${query}`, "elevations", "list elevations");
      const rows = cellsOf(found, ["id", "username", "role", "state", "expiresAtMs", "reason"]);
      context.output.result(found, formatTable(rows));
    });
}

function decideCommand(open: Open, verb: string, noun: string): Command {
  return new Command(verb)
    .summary(`${verb} what somebody else has asked for`)
    .argument("<number>", "of the elevation")
    .option("--reason <text>", "why")
    .action(async (number: string, options: { reason?: string }, command: Command) => {
      const { context, client } = open(command);
      const body = options.reason === undefined ? {} : { reason: options.reason };
      const done = await client.send("POST", `${pathOf(number)}/${noun}`, `${verb} it`, body);
      const [[state = ""] = []] = cellsOf([done], ["state"]);
      context.output.result(done, [`elevation ${number} is ${state}`]);
    });
}

function showCommand(open: Open): Command {
  return new Command("show")
    .summary("show one elevation")
    .argument("<number>", "of the elevation")
    .action(async (number: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.send("GET", pathOf(number), "show it");
      context.output.result(found, formatTable(rowsOf(found)));
    });
}

function endCommand(open: Open): Command {
  return new Command("end")
    .summary("end an elevation before its time")
    .argument("<number>", "of the elevation")
    .action(async (number: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", pathOf(number), "end it");
      context.output.result({ id: Number(number) }, [`elevation ${number} is over`]);
    });
}

function rolesCommand(open: Open): Command {
  const list = new Command("ls")
    .summary("list the roles that you may assume, or those of an organization")
    .argument("[organization]", "whose roles; the registry's own with --system")
    .option("--system", "the registry's own")
    .action(async (organization: string | undefined, options: { system?: true }, command: Command) => {
      const { context, client } = open(command);
      const path =
        organization !== undefined
          ? `/api/v1/organizations/${encodeURIComponent(organization)}/elevation-roles`
          : options.system === true
            ? "/api/v1/elevation-roles"
            : "/api/v1/me/elevation-roles";
      const found = await client.list(path, "roles", "list roles");
      const rows = cellsOf(found, ["reference", "maxDurationSeconds", "requiresApproval", "description"]);
      context.output.result(found, formatTable(rows));
    });
  const show = new Command("show")
    .summary("show a role")
    .argument("<role>", "acme/release, or administrator for a role of the registry")
    .action(async (role: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.send("GET", rolePathOf(role), "show the role");
      context.output.result(found, formatTable(rowsOf(found)));
    });
  const set = new Command("set")
    .summary("make a role, or change it, from a JSON file")
    .argument("<role>", "acme/release, or administrator for a role of the registry")
    .requiredOption(
      "--file <file>",
      "grants, assumableBy, approvers, maxDurationSeconds, requiresApproval, alert, isAdministrator",
    )
    .action(async (role: string, options: { file: string }, command: Command) => {
      const { context, client } = open(command);
      const done = await client.send("PUT", rolePathOf(role), "set the role", await readRole(options.file));
      const secret = done["alertSecret"];
      if (typeof secret === "string")
        context.output.note("Alerts are signed with this secret, which is not shown again:");
      context.output.result(done, typeof secret === "string" ? [secret] : [`${role} is set`]);
    });
  const remove = new Command("rm")
    .summary("delete a role; whoever holds it loses what it gave")
    .argument("<role>")
    .action(async (role: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", rolePathOf(role), "delete the role");
      context.output.result({ role }, [`${role} is deleted`]);
    });
  const command = new Command("roles").summary("manage the roles that can be held for a time");
  for (const each of [list, show, set, remove]) command.addCommand(each);
  return command;
}

async function readRole(file: string): Promise<object> {
  try {
    const role: unknown = JSON.parse(await readFile(file, "utf8"));
    if (isObject(role)) return role;
  } catch (error) {
    throw new UsageError(`${file} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw new UsageError(`${file} must have a JSON object`);
}

function pathOf(number: string): string {
  if (!/^\d{1,15}$/.test(number))
    throw new UsageError("an elevation is named by its number; entrepot elevate ls shows it");
  return `/api/v1/elevations/${number}`;
}

function rolePathOf(role: string): string {
  const [first = "", second] = role.split("/");
  return second === undefined
    ? `/api/v1/elevation-roles/${encodeURIComponent(first)}`
    : `/api/v1/organizations/${encodeURIComponent(first)}/elevation-roles/${encodeURIComponent(second)}`;
}
