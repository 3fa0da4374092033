import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "./problem.ts";
import { tallyProblems } from "./tally-problems.ts";

test("a million problems are counted each, and the first few are kept", () => {
  const tally = tallyProblems(20);
  const outcomes = ["found", "repaired", "quarantined", "found"] as const;
  for (let index = 0; index < 1_000_000; index += 1) {
    const problem: Problem = {
      kind: "stray-object",
      subject: `object ${index}`,
      detail: "",
      affects: ["a", "b", "c", "d"],
      outcome: outcomes[index % outcomes.length] ?? "found",
    };
    tally.add(problem);
  }
  assert.deepEqual(tally.counts(), { problems: 1_000_000, unrepaired: 500_000, quarantined: 250_000 });
  assert.equal(tally.first().length, 20);
  assert.deepEqual([tally.first()[19]?.subject, tally.first()[0]?.affects.length], ["object 19", 3]);
});
