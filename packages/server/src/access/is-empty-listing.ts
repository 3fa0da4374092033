import type { ReadableRepositories } from "./access.ts";

/** Whether a listing can have nothing in it, so that nobody need ask. */
export function isEmptyListing(readable: ReadableRepositories): boolean {
  return readable.kind === "some" && Object.values(readable.candidates).every((list) => list.length === 0);
}
