/** What both engines store unchanged. A boolean is stored as 0 or 1. */
export type SqlValue = string | number | bigint | null | Uint8Array;

/**
 * The parameters of a statement, or a TypeError that names the first one that no column holds. Both drivers would otherwise
 * guess: node:sqlite takes a leading object or Date for named parameters and stores NULL without an error; pg turns a Date into
 * local time and an object into JSON. Numbers must be finite and, when whole, exact (at most 2^53 - 1), so that what is read
 * is what was written.
 */
export function checkedParameters(parameters: readonly unknown[]): SqlValue[] {
  return parameters.map((value, index) => checkedParameter(value, index));
}

function checkedParameter(value: unknown, index: number): SqlValue {
  if (value === null || typeof value === "string" || value instanceof Uint8Array) return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "number") {
    if (Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value))) return value;
    throw new TypeError(`SQL parameter ${index + 1} is a number that cannot be stored exactly`);
  }
  if (typeof value === "bigint") {
    if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) return value;
    throw new TypeError(`SQL parameter ${index + 1} is an integer beyond 2^53`);
  }
  // Only the type is named: the value may be a secret.
  throw new TypeError(`SQL parameter ${index + 1} is of type ${typeName(value)}, which no column holds`);
}

function typeName(value: unknown): string {
  return typeof value === "object" && value !== null ? (value.constructor?.name ?? "object") : typeof value;
}
