import type { AccessMode } from "./access.ts";
import type { ProfileName } from "./profile.ts";
import type { CaseResult, Category, ResultGroup, Status, StatusCounts } from "./results.ts";
import { casesOf, countOutcomes, highestStatus } from "./results.ts";

/** The results of everything under one top-level name: `ping`, `sha256 blobs`, `image`, … */
export interface GroupReport {
  readonly name: string;
  readonly status: Status;
  readonly counts: StatusCounts;
  readonly caseCount: number;
  /** One per case, but two per delete. */
  readonly resultCount: number;
}

/** What a run found. */
export interface ConformanceReport {
  readonly registry: string;
  readonly profile: ProfileName;
  readonly access: AccessMode;
  readonly status: Status;
  readonly counts: StatusCounts;
  readonly caseCount: number;
  readonly resultCount: number;
  readonly categoryCounts: Readonly<Record<Category, number>>;
  /** In the order of the run. */
  readonly groups: readonly GroupReport[];
  /** In the order of the run; cases that did not pass hold what was sent and received. */
  readonly cases: readonly CaseResult[];
  readonly durationMs: number;
}

export interface ReportHead {
  readonly registry: string;
  readonly profile: ProfileName;
  readonly access: AccessMode;
  readonly durationMs: number;
}

/** Sums up a finished run. */
export function createReport(head: ReportHead, root: ResultGroup): ConformanceReport {
  const cases = casesOf(root);
  const groups = root.children.map((child) => summarize(child.path, casesOf(child)));
  const { status, counts, caseCount, resultCount } = summarize("", cases);
  const categoryCounts = { ping: 0, pull: 0, push: 0, discovery: 0, management: 0 };
  for (const { category } of cases) categoryCounts[category] += 1;
  return { ...head, status, counts, caseCount, resultCount, categoryCounts, groups, cases };
}

/** The cases with an outcome of that status, in the order of the run. */
export function casesWithStatus(report: ConformanceReport, status: Status): readonly CaseResult[] {
  return report.cases.filter((result) => result.outcomes.some((outcome) => outcome.status === status));
}

function summarize(name: string, cases: readonly CaseResult[]): GroupReport {
  const counts = countOutcomes(cases);
  const resultCount = cases.reduce((sum, result) => sum + result.outcomes.length, 0);
  return { name, status: highestStatus(counts), counts, caseCount: cases.length, resultCount };
}
