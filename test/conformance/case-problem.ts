/**
 * Why a case did not pass. `FAIL`: the registry broke a rule. `Skip`: the registry answered "not supported" in a way the
 * specification allows. `Disabled`: the profile leaves the case out. Anything else that is thrown in a case is a mistake
 * of the suite itself and is reported as `Error`.
 */
export class CaseProblem extends Error {
  readonly status: "FAIL" | "Skip" | "Disabled";

  constructor(status: "FAIL" | "Skip" | "Disabled", message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.name = "CaseProblem";
    this.status = status;
  }
}

/** A broken rule. */
export function failure(message: string, options?: { readonly cause: unknown }): CaseProblem {
  return new CaseProblem("FAIL", message, options);
}

/** An allowed "not supported" answer; full marks need none of these. */
export function unsupported(message: string): CaseProblem {
  return new CaseProblem("Skip", message);
}
