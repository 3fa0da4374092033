import type { Faults as BlobStoreFaults } from "../../storage/blob-store/with-faults.ts";

/** The error that an armed fault throws: nothing of the system makes it. */
export class InjectedFault extends Error {
  override readonly name = "InjectedFault";
}

/** Which calls fail: the `at`-th from now on, alone or with everything after it. */
export interface Plan {
  readonly what: "sql" | "before blob-store call" | "after blob-store call";
  readonly at: number;
  readonly andAllAfter?: boolean;
  /** What is thrown instead of an `InjectedFault`. */
  readonly error?: Error;
}

/** Fails statements and calls of the blob store on demand. */
export interface Faults extends BlobStoreFaults {
  readonly onQuery: (sql: string) => void;
  /** Counts from 1 anew. */
  arm(plan: Plan): void;
  /** Fails nothing from now on; tells whether the armed fault has struck. */
  disarm(): boolean;
  /** Called before each statement, for tests that do something at a certain moment. */
  watch(listener: ((sql: string) => void) | undefined): void;
}

export function createFaults(): Faults {
  let plan: Plan | undefined;
  let calls = 0;
  let hasStruck = false;
  let listener: ((sql: string) => void) | undefined;

  function strike(what: Plan["what"], detail: string): void {
    if (plan?.what !== what) return;
    calls += 1;
    if (calls !== plan.at && !(plan.andAllAfter === true && calls > plan.at)) return;
    hasStruck = true;
    throw plan.error ?? new InjectedFault(`${what} ${calls}: ${detail}`);
  }

  return {
    onQuery: (sql) => {
      listener?.(sql);
      strike("sql", sql);
    },
    decide: (_call, operation, when) => strike(`${when} blob-store call`, operation),
    arm: (next) => {
      plan = next;
      calls = 0;
      hasStruck = false;
    },
    disarm: () => {
      plan = undefined;
      return hasStruck;
    },
    watch: (next) => {
      listener = next;
    },
  };
}
