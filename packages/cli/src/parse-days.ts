import { UsageError } from "./usage-error.ts";

const dayMs = 86_400_000;

/** The time so many days from now. `UsageError` for what is no whole number of days. */
export function parseDays(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new UsageError("days must be a whole number, 1 or more");
  return new Date().getTime() + Number(text) * dayMs;
}
