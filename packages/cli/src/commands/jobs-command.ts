import { isObject } from "@entrepot/oci/json-object";
import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatHeadedTable, formatTable } from "../format-text.ts";
import { parseHostArgument } from "../image-argument.ts";
import { cellsOf } from "../management-client.ts";
import { requestManagement } from "../management-request.ts";
import { UsageError } from "../usage-error.ts";

interface JobOptions {
  readonly registry?: string;
  readonly kind?: string;
  readonly state?: string;
  readonly namespace?: string;
  readonly limit?: string;
}

const registryOption = [
  "--registry <host>",
  "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out",
] as const;
const kindFields = ["name", "paused", "waiting", "queued", "running", "failed", "schedule", "next"];
const shownFields = ["id", "kind", "state", "namespace", "attempts", "progress", "error"];

/** `entrepot jobs`: what the registry does in the background, for whoever runs it. */
export function jobsCommand(contextOf: ContextOf): Command {
  const ask = async (
    command: Command,
    options: JobOptions,
    request: {
      readonly method: "GET" | "POST" | "PATCH";
      readonly path: string;
      readonly body?: unknown;
      readonly what: string;
    },
  ) => {
    const context = contextOf(command);
    const host = parseHostArgument(options.registry ?? context.environment.defaultHost);
    return { context, json: await requestManagement(context, host, request) };
  };
  const list = new Command("ls")
    .summary("jobs, newest first")
    .option("--kind <kind>", "only those of this kind")
    .option("--state <state>", "only those that are waiting, queued, running, done, failed or cancelled")
    .option("--namespace <name>", "only those of this namespace")
    .option("--limit <n>", "so many at most", "50")
    .option(...registryOption)
    .addHelpText("after", "\nExamples:\n  entrepot jobs ls --state failed")
    .action(async (options: JobOptions, command: Command) => {
      const query = new URLSearchParams({ n: options.limit ?? "50" });
      for (const name of ["kind", "state", "namespace"] as const) {
        const value = options[name];
        if (value !== undefined) query.set(name, value);
      }
      const path = `/api/v1/jobs?${query.toString()}`;
      const { context, json } = await ask(command, options, { method: "GET", path, what: "list jobs" });
      context.output.result(json, formatHeadedTable(shownFields, cellsOf(rowsOf(json, "jobs"), shownFields)));
    });
  const kinds = new Command("kinds")
    .summary("kinds of jobs: how many wait, run and failed, and when each is due next")
    .option(...registryOption)
    .addHelpText("after", "\nExamples:\n  entrepot jobs kinds")
    .action(async (options: JobOptions, command: Command) => {
      const path = "/api/v1/job-kinds";
      const { context, json } = await ask(command, options, {
        method: "GET",
        path,
        what: "list kinds of jobs",
      });
      const rows = rowsOf(json, "kinds").map((kind) => ({
        ...kind,
        ...(isObject(kind["counts"]) ? kind["counts"] : {}),
        next: typeof kind["nextSlotMs"] === "number" ? new Date(kind["nextSlotMs"]).toISOString() : "",
        paused: kind["isPaused"] === true ? "paused" : "",
      }));
      context.output.result(json, formatHeadedTable(kindFields, cellsOf(rows, kindFields)));
    });
  const one = (name: string, summary: string, method: "GET" | "POST", suffix: string, example: string) =>
    new Command(name)
      .summary(summary)
      .argument("<id>", "number of the job, as `jobs ls` shows it")
      .option(...registryOption)
      .addHelpText("after", `\nExamples:\n  ${example}`)
      .action(async (id: string, options: JobOptions, command: Command) => {
        if (!/^[0-9]{1,15}$/.test(id)) throw new UsageError("the id of a job is a number");
        const path = `/api/v1/jobs/${id}${suffix}`;
        const { context, json } = await ask(command, options, { method, path, what: `${name} the job` });
        const fields = isObject(json) ? Object.entries(json) : [];
        context.output.result(json, formatTable(fields.map(([key, value]) => [key, text(value)])));
      });
  const ofKind = (
    name: string,
    summary: string,
    request: { readonly method: "POST" | "PATCH"; readonly suffix: string; readonly body?: unknown },
    done: (kind: string) => string,
  ) =>
    new Command(name)
      .summary(summary)
      .argument("<kind>", "name of the kind, as `jobs kinds` shows it")
      .option(...registryOption)
      .addHelpText("after", `\nExamples:\n  entrepot jobs ${name} garbage-collection`)
      .action(async (kind: string, options: JobOptions, command: Command) => {
        const { suffix, ...rest } = request;
        const path = `/api/v1/job-kinds/${encodeURIComponent(kind)}${suffix}`;
        const { context, json } = await ask(command, options, {
          ...rest,
          path,
          what: `${name} the kind of job`,
        });
        context.output.result(json, [done(kind)]);
      });
  return new Command("jobs")
    .summary("see and steer what the registry does in the background")
    .addCommand(list)
    .addCommand(kinds)
    .addCommand(
      one("show", "one job: how far it is, what it found, why it failed", "GET", "", "entrepot jobs show 17"),
    )
    .addCommand(
      one(
        "cancel",
        "end a job that waits, or tell one that runs to stop",
        "POST",
        "/cancellation",
        "entrepot jobs cancel 17",
      ),
    )
    .addCommand(
      one(
        "retry",
        "try a job again that failed for good, was cancelled, or waits for its next try",
        "POST",
        "/retries",
        "entrepot jobs retry 17",
      ),
    )
    .addCommand(
      ofKind(
        "pause",
        "begin no more jobs of a kind, on any instance",
        { method: "PATCH", suffix: "", body: { isPaused: true } },
        (kind) => `${kind} rests`,
      ),
    )
    .addCommand(
      ofKind(
        "resume",
        "go on with a kind that was paused",
        { method: "PATCH", suffix: "", body: { isPaused: false } },
        (kind) => `${kind} goes on`,
      ),
    )
    .addCommand(
      ofKind(
        "run",
        "run now what otherwise runs by schedule",
        { method: "POST", suffix: "/runs" },
        (kind) => `${kind} is queued`,
      ),
    );
}

function rowsOf(json: unknown, name: string): readonly Record<string, unknown>[] {
  const rows = isObject(json) ? json[name] : undefined;
  return (Array.isArray(rows) ? rows : []).filter(isObject).map((row) => {
    const { progress } = row;
    if (!isObject(progress)) return row;
    const { done, total, note } = progress;
    const count = total === null ? text(done) : `${text(done)}/${text(total)}`;
    return { ...row, progress: note === null ? count : `${count} ${text(note)}` };
  });
}

function text(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
