import type { Problem } from "./problem.ts";

/** How many problems there are, and the first of them: what a million of them need is no more than what a hundred do. */
export interface ProblemTally {
  readonly add: (problem: Problem) => void;
  readonly counts: () => {
    readonly problems: number;
    /** Problems that are still there: neither repaired nor waiting for a push. */
    readonly unrepaired: number;
    readonly quarantined: number;
  };
  /** Those that were added first, at most so many as it was made with; they may name fewer users than there are. */
  readonly first: () => readonly Problem[];
}

const maxAffects = 3;

/** Counts all problems exactly, and keeps the first `maxKept`. */
export function tallyProblems(maxKept: number): ProblemTally {
  const outcomes = { found: 0, repaired: 0, quarantined: 0 };
  const kept: Problem[] = [];
  return {
    add(problem) {
      outcomes[problem.outcome] += 1;
      if (kept.length < maxKept) kept.push({ ...problem, affects: problem.affects.slice(0, maxAffects) });
    },
    counts: () => ({
      problems: outcomes.found + outcomes.repaired + outcomes.quarantined,
      unrepaired: outcomes.found,
      quarantined: outcomes.quarantined,
    }),
    first: () => kept,
  };
}
