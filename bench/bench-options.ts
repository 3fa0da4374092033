import { writeFileSync } from "node:fs";
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";

/** The options of a bench as they were given: numbers with what they are when left out, and texts, undefined when left out. */
export type BenchOptions<Number extends string, Text extends string> = Readonly<Record<Number, number>> &
  Readonly<Record<Text, string | undefined>>;

/**
 * Reads the command line: `--name N` for each of `numbers`, `--name TEXT` for each of `texts`. Ends the process with a sentence and exit code 2 for any other option, and for a number that
 * is not whole and above 0, before an hour is spent on measuring nothing.
 */
export function takeBenchOptions<Number extends string, Text extends string>(
  numbers: Readonly<Record<Number, number>>,
  texts: readonly Text[],
): BenchOptions<Number, Text> {
  const options: ParseArgsOptionsConfig = {};
  for (const name of [...Object.keys(numbers), ...texts]) options[name] = { type: "string" };
  const given = parseOrExit(options);
  const read: Record<string, number | string | undefined> = { ...numbers };
  for (const name of Object.keys(numbers)) {
    const text = given[name];
    if (text === undefined) continue;
    if (!/^[1-9][0-9]{0,9}$/.test(text)) exitWith(`--${name} takes a whole number above 0`);
    read[name] = Number(text);
  }
  for (const name of texts) read[name] = given[name];
  return read as BenchOptions<Number, Text>; // as: each name has been read above
}

/** Shows a report and, when a file is named, writes it there. */
export function showReport(report: string, out: string | undefined): void {
  console.log(report);
  if (out !== undefined) writeFileSync(out, report);
}

function parseOrExit(options: ParseArgsOptionsConfig): Readonly<Record<string, string | undefined>> {
  try {
    // as: every option is a text that is given once
    return parseArgs({ options }).values as Readonly<Record<string, string | undefined>>;
  } catch (error) {
    return exitWith(error instanceof Error ? error.message : String(error));
  }
}

function exitWith(sentence: string): never {
  console.error(sentence);
  process.exit(2);
}
