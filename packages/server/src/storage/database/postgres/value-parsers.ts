import { types } from "pg";

/*
 * How values of PostgreSQL become the values that SQLite gives for the same statement. Set per pool, never globally: other users
 * of pg in the process keep theirs. The numbers are type OIDs (pg_type.dat of PostgreSQL).
 */
const parsers: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [16, (text) => (text === "t" ? 1 : 0)], // bool, as of a comparison or EXISTS
  [20, parseInteger], // int8
  [1700, parseNumeric], // numeric, as of sum(int8)
]);

/** For pg's `types` option. */
export const valueParsers = {
  getTypeParser(oid: number, format?: "text" | "binary"): (value: string) => unknown {
    const parser = format === "binary" ? undefined : parsers.get(oid);
    return parser ?? types.getTypeParser(oid, "text");
  },
};

/** Throws a RangeError beyond 2^53 instead of rounding, as node:sqlite does. */
function parseInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError("the database holds an integer beyond 2^53");
  return value;
}

function parseNumeric(text: string): number {
  return text.includes(".") ? Number(text) : parseInteger(text);
}
