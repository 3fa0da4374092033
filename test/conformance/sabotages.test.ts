import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { casesWithStatus } from "./conformance-report.ts";
import { startReferenceRegistry } from "./reference-registry/reference-registry.ts";
import type { CaseResult } from "./results.ts";
import { runConformance } from "./run-conformance.ts";
import { blobSabotages } from "./sabotages/blob-sabotages.ts";
import { discoverySabotages } from "./sabotages/discovery-sabotages.ts";
import { manifestSabotages } from "./sabotages/manifest-sabotages.ts";

describe("the conformance suite finds a registry that", () => {
  for (const expected of [...blobSabotages, ...manifestSabotages, ...discoverySabotages]) {
    it(expected.name, async () => {
      const registry = await startReferenceRegistry({ sabotage: expected.sabotage });
      try {
        const report = await runConformance({
          registry: registry.address,
          profile: "dev+sparse",
          access: "anonymous",
        });
        const failed = casesWithStatus(report, "FAIL");
        const mustFail = report.cases.filter((result) => matches(result, expected.fails));
        const mayFail = [...expected.fails, ...(expected.failsInPart ?? [])];
        const wronglyPassed = mustFail.filter((result) => !failed.includes(result));
        const wronglyFailed = failed.filter((result) => !matches(result, mayFail));
        assert.deepEqual(wronglyPassed.map(labelOf), [], "cases that should have failed");
        assert.deepEqual(wronglyFailed.map(labelOf), [], "cases that should not have failed");
        assert.equal(failed.length, expected.failCount);
        assert.equal(report.counts.Skip, expected.skipCount ?? 0);
        assert.equal(report.counts.Error, 0);
      } finally {
        await registry.close();
      }
    });
  }
});

function matches(result: CaseResult, patterns: readonly RegExp[]): boolean {
  return patterns.some((pattern) => pattern.test(result.path) || pattern.test(labelOf(result)));
}

function labelOf(result: CaseResult): string {
  return `${result.path} ${result.subject}`;
}
