import { AppError } from "../lib/app-error.ts";

/**
 * One query parameter of an endpoint. Plain data and no schema of the schema library: listings are read by clients that never send a body, and a
 * process that only serves those need not load it.
 */
export interface QueryParameter {
  readonly name: string;
  readonly description: string;
  /** `boolean` is "true" or "false", `integer` a whole number, 0 or more, of at most 15 digits. */
  readonly form: "text" | "integer" | "boolean";
  readonly isRequired?: boolean;
  /** May come more than once; else the first counts, and a second is refused. */
  readonly isRepeatable?: boolean;
  /** The only values that are taken. */
  readonly values?: readonly string[];
  /** A regular expression that the text must match. */
  readonly pattern?: string;
  /** Longest text that is taken; absent = what fits into an address. */
  readonly maxLength?: number;
}

/** How lists are read page by page. */
export const pageParameters: readonly QueryParameter[] = [
  { name: "n", form: "integer", description: "entries of a page; what is too large is taken as the most" },
  { name: "last", form: "text", maxLength: 1_024, description: "the last entry of the page before" },
];

/** Checks what the query has of the declared parameters; others are nobody's business. `REQUEST_INVALID` with which one and why. */
export function checkQuery(parameters: readonly QueryParameter[], query: URLSearchParams): void {
  for (const parameter of parameters) {
    const values = query.getAll(parameter.name);
    const problem = problemOf(parameter, values);
    if (problem === undefined) continue;
    throw new AppError("REQUEST_INVALID", `the query parameter ${parameter.name} ${problem}`);
  }
}

function problemOf(parameter: QueryParameter, values: readonly string[]): string | undefined {
  if (values.length === 0) return parameter.isRequired === true ? "is missing" : undefined;
  if (values.length > 1 && parameter.isRepeatable !== true) return "is there more than once";
  for (const value of values) {
    if (parameter.form === "integer" && !/^[0-9]{1,15}$/.test(value))
      return "must be a whole number, 0 or more";
    if (parameter.form === "boolean" && value !== "true" && value !== "false") return "must be true or false";
    if (parameter.values !== undefined && !parameter.values.includes(value)) {
      return `must be one of ${parameter.values.join(", ")}`;
    }
    if (parameter.maxLength !== undefined && value.length > parameter.maxLength) {
      return `is longer than ${parameter.maxLength} characters`;
    }
    if (parameter.pattern !== undefined && !new RegExp(parameter.pattern).test(value)) {
      return "is not of the form that is taken";
    }
  }
  return undefined;
}
