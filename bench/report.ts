import type { JobResult } from "./load/job.ts";
import type { Goal, Workload } from "./workloads.ts";

/** What one server did in one round of one workload. */
export interface Sample {
  readonly server: string;
  readonly round: number;
  readonly result: JobResult;
  readonly cpuSeconds: number;
  readonly peakMb: number;
}

export interface Row {
  readonly workload: Workload;
  readonly samples: readonly Sample[];
}

const peer = "docker-registry";
const limit = "nginx";

/** Markdown table of every workload: rate, ratio to the peer and to the limit in the same round, CPU, memory, goals. */
export function formatRows(rows: readonly Row[]): string {
  const lines = [
    "| workload | server | median | min..max | ÷ docker-registry | ÷ nginx | CPU | peak MB | p99 ms | goal |",
    "|---|---|---|---|---|---|---|---|---|---|",
  ];
  for (const row of rows) {
    const servers = [...new Set(row.samples.map((sample) => sample.server))];
    for (const server of servers) lines.push(formatRow(row, server));
  }
  return lines.join("\n");
}

function formatRow({ workload, samples }: Row, server: string): string {
  const own = samples.filter((sample) => sample.server === server);
  const rates = own.map((sample) => rate(workload, sample));
  const ratioTo = (other: string) =>
    server === other || !samples.some((sample) => sample.server === other)
      ? undefined
      : median(own.flatMap((sample) => ratio(workload, samples, sample, other)));
  const toPeer = ratioTo(peer);
  const toLimit = ratioTo(limit);
  const cells = [
    workload.name,
    server,
    `${format(median(rates))} ${workload.unit}`,
    `${format(Math.min(...rates))}..${format(Math.max(...rates))}`,
    toPeer === undefined ? "–" : `${toPeer.toFixed(2)}×`,
    toLimit === undefined ? "–" : `${toLimit.toFixed(2)}×`,
    formatCpu(workload, own),
    format(median(own.map((sample) => sample.peakMb))),
    format(median(own.map((sample) => sample.result.p99Ms))),
    goalText(workload.goals, server, toPeer, toLimit),
  ];
  return `| ${cells.join(" | ")} |`;
}

function rate(workload: Workload, { result }: Sample): number {
  return workload.unit === "MB/s" ? result.bytes / 1e6 / result.seconds : result.requests / result.seconds;
}

function ratio(
  workload: Workload,
  samples: readonly Sample[],
  own: Sample,
  other: string,
): readonly number[] {
  const found = samples.find((sample) => sample.server === other && sample.round === own.round);
  return found === undefined ? [] : [rate(workload, own) / rate(workload, found)];
}

function formatCpu(workload: Workload, own: readonly Sample[]): string {
  if (workload.unit === "MB/s") {
    return `${median(own.map((sample) => sample.cpuSeconds / (sample.result.bytes / 1e9))).toFixed(2)} s/GB`;
  }
  return `${format(median(own.map((sample) => (sample.cpuSeconds / sample.result.requests) * 1e6)))} µs`;
}

function goalText(
  goals: readonly Goal[],
  server: string,
  toPeer: number | undefined,
  toLimit: number | undefined,
): string {
  const variant = server.includes("sendfile") ? "sendfile" : "pooled";
  const goal = server.startsWith("entrepot")
    ? goals.find((candidate) => candidate.variant === "any" || candidate.variant === variant)
    : undefined;
  if (goal === undefined || toPeer === undefined) return "";
  const isMet = toPeer >= goal.peer && (goal.limit === undefined || (toLimit ?? 0) >= goal.limit);
  const text = `${goal.peer}×${goal.limit === undefined ? "" : ` and ${goal.limit}× nginx`}`;
  return `${text}: ${isMet ? "met" : "**missed**"}`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

function format(value: number): string {
  return Number.isNaN(value) ? "–" : value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}
