import { parseWholeNumber } from "./parse-whole-number.ts";
import { UsageError } from "./usage-error.ts";

export interface ParsedScope {
  readonly repositories: string;
  readonly tags?: string;
  readonly actions: readonly string[];
}

/** A scope as people write it: "acme/app/**=pull,push", with tags "acme/app:1.*=pull". */
export function parseScope(text: string): ParsedScope {
  const [, repositories, tags, actions] = /^([^:=]+)(?::([^=]+))?=([a-z,]+)$/.exec(text) ?? [];
  if (repositories === undefined || actions === undefined) {
    throw new UsageError(`${JSON.stringify(text)} is no scope; write repositories[:tags]=actions`);
  }
  return { repositories, ...(tags !== undefined && { tags }), actions: actions.split(",") };
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time as people write it: "30d" from now, or a date. Milliseconds since the epoch. */
export function parseTime(text: string, nowMs = new Date().getTime()): number {
  const [, amount, unit] = /^([0-9]{1,6})([smhd])$/.exec(text) ?? [];
  const step = unit === undefined ? undefined : unitMs[unit];
  if (amount !== undefined && step !== undefined) return nowMs + Number(amount) * step;
  const atMs = Date.parse(text);
  if (!Number.isFinite(atMs))
    throw new UsageError(`${JSON.stringify(text)} is no time; write 30d, 12h or a date`);
  return atMs;
}

/** "name=value". */
export function parseLabel(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`${JSON.stringify(text)} is no label; write name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** As the registry has it. */
const maxGraceSeconds = 90 * 86_400;

/** What a rotation is sent: how long the old secret stays good, as far as that was said. */
export function graceOf(text: string | undefined): { readonly graceSeconds?: number } {
  return text === undefined ? {} : { graceSeconds: parseWholeNumber(text, "--grace", 0, maxGraceSeconds) };
}
