import { OciError } from "../oci-error.ts";

const megabyte = 1_048_576;

/** Texts of about 1 MB each that make a backtracking or quadratic parser take minutes. */
export const hostileTexts: readonly string[] = [
  ...[
    "a",
    "a-",
    "a__",
    "-",
    "_",
    "a/",
    "a.",
    "/",
    ":",
    "@",
    "=",
    '"',
    "\\",
    "<",
    ">",
    ",",
    ";",
    " ",
    "\t",
    "(",
  ].map(fill),
  ...[
    "0-",
    "0,",
    "0-1,",
    "-1,",
    "a:b:c ",
    "a=b ",
    'a="b" ',
    "next ",
    "<a>;",
    ";rel=",
    "<>;rel=x,",
    "\u0000",
    "é",
    "😀",
  ].map(fill),
  `a${fill("-")}A`,
  `sha256:${fill("a")}`,
  `bytes=${fill("9")}-`,
  `bytes=${fill("0-1,")}`,
  `${fill(" ")}x`,
  `bytes ${fill(" ")}x`,
  `repository:${fill("(a")}:pull`,
  `Bearer realm="${fill("\\")}`,
  `<a>; rel="${fill(" next")}`,
  `<a>${fill("; rel = ")}`,
  `[${fill(":")}]/a`,
];

function fill(unit: string): string {
  return unit.repeat(Math.ceil(megabyte / unit.length));
}

/** What `parse` returns, undefined when it refuses with an `OciError` of a short message; everything else it throws is a fault and passes. */
export function parsedOrRefused<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof OciError && error.message.length < 1_200) return undefined;
    throw error;
  }
}

/**
 * Milliseconds of this thread's processor time that a parser needs for all hostile texts together, whatever else the machine does; a linear one
 * stays far under {@link hostileLimitMs}.
 */
export function hostileMs(parse: (text: string) => unknown): number {
  const before = process.threadCpuUsage();
  for (const text of hostileTexts) parsedOrRefused(() => parse(text));
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}

/** For 45 MB, with coverage counted; one quadratic pass over 1 MB alone takes minutes. */
export const hostileLimitMs = 30_000;
