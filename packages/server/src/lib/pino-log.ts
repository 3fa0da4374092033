import { type DestinationStream, type Logger, pino } from "pino";
import type { Log, LogFields } from "./log.ts";

export interface LogOptions {
  readonly level: "error" | "warn" | "info" | "debug";
  readonly format: "json" | "text";
  readonly destination: DestinationStream;
}

/** Keys whose values never reach a log, at the top or one level down, should a caller ever pass them. */
const secretKeys = ["password", "secret", "token", "authorization", "cookie", "refresh_token"];

/** The log of a running server: one line an entry, JSON or text. */
export function createLog(options: LogOptions): Log {
  const destination = options.format === "json" ? options.destination : textDestination(options.destination);
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
      redact: [...secretKeys, ...secretKeys.map((key) => `*.${key}`)],
    },
    destination,
  );
  return wrap(logger);
}

function wrap(logger: Logger): Log {
  return {
    error: (fields, message) => logger.error(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    info: (fields, message) => logger.info(fields, message),
    debug: (fields, message) => logger.debug(fields, message),
    child: (fields: LogFields) => wrap(logger.child(fields)),
  };
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
