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

/** Milliseconds that a parser needs for all hostile texts together; a linear one stays far under {@link hostileLimitMs}. */
export function hostileMs(parse: (text: string) => unknown): number {
  const startMs = performance.now();
  for (const text of hostileTexts) parsedOrRefused(() => parse(text));
  return performance.now() - startMs;
}

/** For 45 MB, on a busy machine; one quadratic pass over 1 MB alone takes longer. */
export const hostileLimitMs = 5_000;
