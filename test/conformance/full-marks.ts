import { type ConformanceReport, casesWithStatus } from "./conformance-report.ts";
import { formatCase } from "./format-report.ts";
import type { ProfileName } from "./profile.ts";
import type { Category } from "./results.ts";
import { categories } from "./results.ts";

/** What a run against a registry without any fault adds up to. */
export interface FullMarks {
  readonly results: number;
  readonly passes: number;
  /** Cases that the profile leaves out but counts. */
  readonly disabled: number;
  readonly cases: number;
  readonly casesPerCategory: Readonly<Record<Category, number>>;
}

/** One result per case, except that a delete counts twice: the delete, and the 404 right after it. */
export const fullMarks: Readonly<Record<ProfileName, FullMarks>> = {
  stable: {
    results: 862,
    passes: 860,
    disabled: 2,
    cases: 695,
    casesPerCategory: { ping: 1, pull: 327, push: 177, discovery: 23, management: 167 },
  },
  dev: {
    results: 986,
    passes: 986,
    disabled: 0,
    cases: 793,
    casesPerCategory: { ping: 1, pull: 379, push: 195, discovery: 25, management: 193 },
  },
  "dev+sparse": {
    results: 1032,
    passes: 1032,
    disabled: 0,
    cases: 830,
    casesPerCategory: { ping: 1, pull: 397, push: 204, discovery: 26, management: 202 },
  },
};

/** Results per top-level group, in the order of a run; a profile has those that apply to it. */
const resultsPerGroup: readonly (readonly [name: string, results: number, since: ProfileName])[] = [
  ["ping", 1, "stable"],
  ["empty", 2, "stable"],
  ["sha256 blobs", 89, "stable"],
  ["sha512 blobs", 89, "stable"],
  ["image", 26, "stable"],
  ["image-uncompressed", 26, "stable"],
  ["large-manifest", 26, "stable"],
  ["index", 51, "stable"],
  ["nested-index", 91, "stable"],
  ["empty-index", 11, "stable"],
  ["artifact", 21, "stable"],
  ["artifact-index", 36, "stable"],
  ["artifact-without-layers", 16, "stable"],
  ["artifacts-with-subject", 77, "stable"],
  ["index-with-subject", 87, "stable"],
  ["missing-subject", 22, "stable"],
  ["data-field", 26, "stable"],
  ["non-distributable-layers", 21, "stable"],
  ["custom-fields", 51, "stable"],
  ["no-layers", 16, "stable"],
  ["sparse", 46, "dev+sparse"],
  ["sha512", 46, "stable"],
  ["tag-param-sha256", 62, "dev"],
  ["tag-param-sha512", 62, "dev"],
  ["bad-digest-image", 19, "stable"],
  ["missing-manifest", 2, "stable"],
  ["invalid-digest-format", 10, "stable"],
];

const profilesWith: Readonly<Record<ProfileName, readonly ProfileName[]>> = {
  stable: ["stable"],
  dev: ["stable", "dev"],
  "dev+sparse": ["stable", "dev", "dev+sparse"],
};

/**
 * Says in what a report differs from full marks, with what was said on the wire: an empty list means that every case ran and passed. Only
 * meaningful for runs without a filter.
 */
export function fullMarksProblems(report: ConformanceReport): readonly string[] {
  const marks = fullMarks[report.profile];
  const expectedGroups = resultsPerGroup
    .filter(([, , since]) => profilesWith[report.profile].includes(since))
    .map(([name, results]) => `${name} ${results}`);
  const foundGroups = report.groups.map((group) => `${group.name} ${group.resultCount}`);
  return [
    ...compare("results", report.resultCount, marks.results),
    ...compare("Pass", report.counts.Pass, marks.passes),
    ...compare("Disabled", report.counts.Disabled, marks.disabled),
    ...compare("cases", report.caseCount, marks.cases),
    ...categories.flatMap((category) => {
      return compare(`${category} cases`, report.categoryCounts[category], marks.casesPerCategory[category]);
    }),
    ...expectedGroups
      .filter((group) => !foundGroups.includes(group))
      .map((group) => `group missing: ${group}`),
    ...foundGroups
      .filter((group) => !expectedGroups.includes(group))
      .map((group) => `group unexpected: ${group}`),
    ...(["Error", "FAIL", "Skip"] as const).flatMap((status) =>
      casesWithStatus(report, status).map((result) => `${status} ${formatCase(result)}`),
    ),
  ];
}

function compare(what: string, found: number, expected: number): readonly string[] {
  return found === expected ? [] : [`${what}: ${found}, full marks have ${expected}`];
}
