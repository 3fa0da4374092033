import { UsageError } from "./usage-error.ts";

/** The fields that were given. */
export function given(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** As `given`; `UsageError` when there is none, as then nothing would change. */
export function changeOf(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const change = given(fields);
  if (Object.keys(change).length === 0) throw new UsageError("say what is to be changed");
  return change;
}
