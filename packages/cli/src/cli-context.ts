import type { CliEnvironment } from "./environment.ts";
import type { GlobalOptions } from "./global-options.ts";

/** What a command works with. */
export interface CliContext {
  readonly environment: CliEnvironment;
  readonly options: GlobalOptions;
  readonly output: CliOutput;
  /** Aborted by an interrupt. */
  readonly signal: AbortSignal;
}

/** Results go to standard output, everything for a person to standard error. */
export interface CliOutput {
  /** The result: `value` as JSON with `--json`, else the lines. */
  result(value: unknown, lines: readonly string[]): void;
  /** What is going on; nothing with `--quiet`. */
  note(line: string): void;
  /** Whether progress may be drawn over itself. */
  readonly isDrawable: boolean;
  /** Whether questions can be answered. */
  readonly isInteractive: boolean;
  /** Standard error as it is, for drawing. */
  draw(text: string): void;
  /** Columns of the terminal. */
  columns(): number;
  /** The text as a heading; it must be the whole line. */
  emphasize(this: void, text: string): string;
}

/** Writes to this process's streams. */
export function createOutput(options: GlobalOptions, environment: CliEnvironment): CliOutput {
  const { stdin, stdout, stderr } = process;
  const isColorful = options.color && !environment.isColorUnwanted && stdout.isTTY && options.json !== true;
  return {
    result(value, lines) {
      if (options.json === true) stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
      else if (lines.length > 0) stdout.write(`${lines.map(withoutControls).join("\n")}\n`);
    },
    note(line) {
      if (options.quiet !== true) stderr.write(`${withoutControls(line)}\n`);
    },
    isDrawable:
      stderr.isTTY && options.quiet !== true && options.json !== true && !environment.isColorUnwanted,
    isInteractive: stdin.isTTY && stderr.isTTY,
    draw: (text) => void stderr.write(text),
    // 0 is what terminals say that do not know.
    columns: () => (stderr.columns > 0 ? stderr.columns : 80),
    emphasize: (text) => (isColorful ? `${bold}${text}${plain}` : text),
  };
}

const bold = "\u001b[1m";
const plain = "\u001b[0m";

/** Names and annotations come from outside and must not steer a terminal; our own emphasis, a whole line, stays. */
function withoutControls(line: string): string {
  if (line.startsWith(bold) && line.endsWith(plain)) {
    return `${bold}${withoutControls(line.slice(bold.length, -plain.length))}${plain}`;
  }
  return line.replace(/[\p{Cc}\p{Cf}]/gu, "\uFFFD");
}
