import { type DestinationStream, type Logger, pino } from "pino";
import type { Log, LogFields } from "./log.ts";

export interface LogOptions {
  readonly level: "error" | "warn" | "info" | "debug";
  readonly format: "json" | "text";
  readonly destination: DestinationStream;
}

/** Keys whose values never reach a log, at the top or one level down, should a caller ever pass them. */
const secretKeys: ReadonlySet<string> = new Set([
  "password",
  "secret",
  "token",
  "authorization",
  "cookie",
  "refresh_token",
]);

/** The log of a running server: one line an entry, JSON or text. */
export function createLog(options: LogOptions): Log {
  const destination = options.format === "json" ? options.destination : textDestination(options.destination);
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: (error: Error) => redactBelow(pino.stdSerializers.err(error)) },
    },
    destination,
  );
  return wrap(logger);
}

function wrap(logger: Logger): Log {
  const at = (level: LogOptions["level"]) => (fields: LogFields, message: string) => {
    if (logger.isLevelEnabled(level)) logger[level](redact(fields), message);
  };
  return {
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
    child: (fields: LogFields) => wrap(logger.child(redact(fields))),
  };
}

const redacted = "[Redacted]";

/** The fields themselves when there is nothing to hide, which is so but for a mistake: pino's own redaction costs ten times as much. */
function redact(fields: LogFields): LogFields {
  let clean: Record<string, unknown> | undefined;
  for (const [key, value] of Object.entries(fields)) {
    const shown = secretKeys.has(key) ? redacted : redactBelow(value);
    if (shown !== value) clean = { ...(clean ?? fields), [key]: shown };
  }
  return clean ?? fields;
}

function redactBelow(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  // Its serializer makes an object of it, and asks again.
  if (value instanceof Error) return value;
  const hidden = Object.keys(value).filter((key) => secretKeys.has(key));
  if (hidden.length === 0) return value;
  return { ...value, ...Object.fromEntries(hidden.map((key) => [key, redacted])) };
}

/** Rewrites each JSON line as `time level message key=value …` for a person at a terminal. */
function textDestination(target: DestinationStream): DestinationStream {
  return {
    write(line: string): void {
      // as: pino has just written this line as a JSON object
      const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
      const rest = Object.entries(fields).map(([key, value]) => `${key}=${describe(value)}`);
      target.write(`${[time, String(level).padEnd(5), msg, ...rest].join(" ")}\n`);
    },
  };
}

function describe(value: unknown): string {
  if (typeof value === "object" && value !== null && "stack" in value) return String(value.stack);
  return typeof value === "string" && !/[\s"=]/.test(value) ? value : JSON.stringify(value);
}
