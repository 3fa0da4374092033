import { Buffer } from "node:buffer";
import type { ConformanceReport, GroupReport } from "./conformance-report.ts";
import { casesWithStatus } from "./conformance-report.ts";
import type { HeaderLine } from "./http-exchange.ts";
import type { Exchange } from "./registry-client.ts";
import type { CaseResult } from "./results.ts";
import { categories, statuses } from "./results.ts";

const bodyPreviewBytes = 400;

/** A table with one line per group and a line of totals, then every case that did not pass, with what was said on the wire. */
export function formatReport(report: ConformanceReport): string {
  const total = { ...report, name: "total" };
  const perCategory = categories
    .map((category) => `${category} ${report.categoryCounts[category]}`)
    .join(", ");
  const problems = (["Error", "FAIL", "Skip"] as const).flatMap((status) => {
    return casesWithStatus(report, status).map((result) => `${status} ${formatCase(result)}`);
  });
  return [
    `${report.registry}, profile ${report.profile}, access ${report.access}`,
    "",
    formatRow("group", ["cases", "results", ...statuses]),
    ...[...report.groups, total].map(formatGroup),
    "",
    `${report.status} in ${(report.durationMs / 1000).toFixed(1)} s; cases: ${perCategory}`,
    ...problems.flatMap((problem) => ["", problem]),
    "",
  ].join("\n");
}

/** The report as JSON, with requests and replies as readable text instead of bytes. */
export function formatReportAsJson(report: ConformanceReport): string {
  const cases = report.cases.map((result) => ({
    ...result,
    exchanges: result.exchanges.map(formatExchange),
  }));
  return `${JSON.stringify({ ...report, cases }, undefined, 2)}\n`;
}

/** What was tried, why it did not pass, and what was sent and received; credentials and tokens are left out. */
export function formatCase(result: CaseResult): string {
  const reasons = new Set(result.outcomes.map((outcome) => outcome.reason).filter((reason) => reason !== ""));
  const lines = [...[...reasons].map((reason) => `  ${reason}`), ...result.exchanges.flatMap(formatExchange)];
  return [`${result.path} ${result.subject}`.trimEnd(), ...lines].join("\n");
}

function formatGroup(group: Omit<GroupReport, "status">): string {
  const counts = statuses.map((status) => group.counts[status]);
  return formatRow(group.name, [group.caseCount, group.resultCount, ...counts].map(String));
}

function formatRow(name: string, cells: readonly string[]): string {
  return `${name.padEnd(26)}${cells.map((cell) => cell.padStart(9)).join("")}`;
}

function formatExchange({ request, reply }: Exchange): readonly string[] {
  const sent = [
    `    > ${request.method} ${request.url.href}`,
    ...formatHeaders(">", request.headers ?? []),
    ...formatBody(">", request.body),
  ];
  if (reply === undefined) return [...sent, "    < no reply"];
  return [
    ...sent,
    `    < ${reply.status}`,
    ...formatHeaders("<", reply.headers),
    ...formatBody("<", reply.body),
  ];
}

function formatHeaders(direction: string, headers: readonly HeaderLine[]): readonly string[] {
  return headers.map(([name, value]) => {
    const shown = name.toLowerCase() === "authorization" ? `${value.split(" ")[0]} …` : value;
    return `    ${direction} ${name}: ${shown}`;
  });
}

/** Text is shown up to a limit, anything else by its size. */
function formatBody(direction: string, body: Uint8Array | undefined): readonly string[] {
  if (body === undefined || body.length === 0) return [];
  const text = Buffer.from(body.subarray(0, bodyPreviewBytes)).toString("utf8");
  // U+FFFD is what bytes that are no UTF-8 turn into; control characters do not belong on a terminal.
  const isText = !/[\uFFFD\p{Cc}]/u.test(text.replaceAll(/[\n\r\t]/g, " "));
  const rest = body.length > bodyPreviewBytes ? "…" : "";
  return [`    ${direction} ${isText ? text.trimEnd() + rest : ""} (${body.length} bytes)`];
}
