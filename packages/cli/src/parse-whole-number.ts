import { UsageError } from "./usage-error.ts";

/** A whole number between two limits, both included. `UsageError` names the option otherwise. */
export function parseWholeNumber(text: string, option: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`${option} must be a whole number from ${min} to ${max}`);
}
