import { CaseProblem } from "./case-problem.ts";
import type { Exchange, ExchangeLog } from "./registry-client.ts";

/** How a result ends, from the least to the most important; a group shows the most important of what it holds. */
export const statuses = ["Disabled", "Skip", "Pass", "FAIL", "Error"] as const;
export type Status = (typeof statuses)[number];

export type StatusCounts = Readonly<Record<Status, number>>;

/** What a case is about, in the words of the specification's workflow categories. */
export const categories = ["ping", "pull", "push", "discovery", "management"] as const;
export type Category = (typeof categories)[number];

/** One counted result. Most cases have one; a delete has two (the delete, and the 404 right after it). */
export interface Outcome {
  readonly status: Status;
  /** Why it is not a Pass; empty for a Pass. */
  readonly reason: string;
}

export interface CaseResult {
  readonly kind: "case";
  /** Names from the group down, joined by `/`. Not unique: a data set pushes several blobs. */
  readonly path: string;
  /** Which of several like cases: a digest or a tag; may be empty. */
  readonly subject: string;
  readonly category: Category;
  readonly outcomes: readonly Outcome[];
  /** What was sent and received; kept only when some outcome is not a Pass. */
  readonly exchanges: readonly Exchange[];
}

/** One thing to try. It passes unless it throws. */
export type Step = (log: ExchangeLog) => Promise<void>;

export interface CaseLabel {
  readonly name: string;
  readonly subject?: string;
  readonly category: Category;
}

/** A node of the result tree. Groups and cases are added in the order in which they run. */
export class ResultGroup {
  readonly kind = "group";
  readonly path: string;
  readonly #children: (ResultGroup | CaseResult)[] = [];

  constructor(path: string) {
    this.path = path;
  }

  get children(): readonly (ResultGroup | CaseResult)[] {
    return this.#children;
  }

  /** Adds a group below this one; the caller fills it. */
  addGroup(name: string): ResultGroup {
    const group = new ResultGroup(joinPath(this.path, name));
    this.#children.push(group);
    return group;
  }

  /**
   * Runs a case of one or more steps, one outcome each. After a step that did not pass, the others are counted as Skip
   * without being tried. Never throws. Resolves with true when every outcome is a Pass.
   */
  async runCase(label: CaseLabel, ...steps: readonly Step[]): Promise<boolean> {
    const log: ExchangeLog = [];
    const outcomes: Outcome[] = [];
    for (const step of steps) {
      const stoppedBy = outcomes.find((outcome) => outcome.status !== "Pass");
      outcomes.push(
        stoppedBy === undefined ? await runStep(step, log) : { status: "Skip", reason: stoppedBy.reason },
      );
    }
    const hasPassed = outcomes.every((outcome) => outcome.status === "Pass");
    this.#children.push({
      kind: "case",
      path: joinPath(this.path, label.name),
      subject: label.subject ?? "",
      category: label.category,
      outcomes,
      exchanges: hasPassed ? [] : log,
    });
    return hasPassed;
  }
}

/** Every case at or below a node, in order of running. */
export function casesOf(node: ResultGroup | CaseResult): readonly CaseResult[] {
  return node.kind === "case" ? [node] : node.children.flatMap(casesOf);
}

/** How many outcomes of each kind the cases have. */
export function countOutcomes(cases: readonly CaseResult[]): StatusCounts {
  const counts: Record<Status, number> = { Disabled: 0, Skip: 0, Pass: 0, FAIL: 0, Error: 0 };
  for (const { outcomes } of cases) for (const { status } of outcomes) counts[status] += 1;
  return counts;
}

/** The most important status that occurs; Disabled when there is none at all. */
export function highestStatus(counts: StatusCounts): Status {
  return statuses.findLast((status) => counts[status] > 0) ?? "Disabled";
}

async function runStep(step: Step, log: ExchangeLog): Promise<Outcome> {
  try {
    await step(log);
    return { status: "Pass", reason: "" };
  } catch (cause) {
    if (cause instanceof CaseProblem) return { status: cause.status, reason: cause.message };
    return {
      status: "Error",
      reason: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
    };
  }
}

function joinPath(parent: string, name: string): string {
  return parent === "" ? name : `${parent}/${name}`;
}
