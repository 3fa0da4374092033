import { AppError } from "../../lib/app-error.ts";
import type { EntryCursor, EntryFilter, TextFilter } from "./audit-store.ts";

const outcomes = ["succeeded", "denied", "failed"];

/**
 * Reads the filters of a query: `from` and `until` (milliseconds or ISO 8601), `actor`, `action` and `target` (whole, or how they begin when they end in
 * `*`), `outcome`, `address`, `namespace`, `repository`, `requestId`, `elevation`. `REQUEST_INVALID` names the first that cannot be understood, and
 * any that is not known: a filter that is ignored shows what nobody asked for.
 */
export function parseEntryFilter(query: URLSearchParams, others: readonly string[]): EntryFilter {
  for (const name of query.keys()) {
    if (!filterNames.includes(name) && !others.includes(name)) {
      throw new AppError("REQUEST_INVALID", `there is no filter ${JSON.stringify(name.slice(0, 40))}`);
    }
  }
  const outcome = text(query, "outcome");
  if (outcome !== undefined && !outcomes.includes(outcome)) {
    throw new AppError("REQUEST_INVALID", `outcome must be one of ${outcomes.join(", ")}`);
  }
  const elevation = text(query, "elevation");
  if (elevation !== undefined && !/^[0-9]{1,15}$/.test(elevation)) {
    throw new AppError("REQUEST_INVALID", "elevation must be the number of one");
  }
  return {
    fromMs: time(query, "from"),
    untilMs: time(query, "until"),
    actor: text(query, "actor"),
    action: pattern(query, "action"),
    target: pattern(query, "target"),
    outcome,
    address: text(query, "address"),
    namespace: text(query, "namespace"),
    repository: text(query, "repository"),
    requestId: text(query, "requestId"),
    elevationId: elevation === undefined ? undefined : Number(elevation),
  };
}

const filterNames =
  "from until actor action target outcome address namespace repository requestId elevation".split(" ");

/** `last` of a page: "1800000000000.17". `REQUEST_INVALID` when it is of no such form. */
export function parseEntryCursor(last: string | undefined): EntryCursor | undefined {
  if (last === undefined) return undefined;
  const [, atMs, id] = /^([0-9]{1,15})\.([0-9]{1,15})$/.exec(last) ?? [];
  if (atMs === undefined || id === undefined) {
    throw new AppError("REQUEST_INVALID", "`last` must be what the page before gave");
  }
  return { atMs: Number(atMs), id: Number(id) };
}

function text(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name);
  if (value === null || value === "") return undefined;
  if (value.length > 1_024 || value.includes("\0")) {
    throw new AppError("REQUEST_INVALID", `${name} is not of the documented form`);
  }
  return value;
}

function pattern(query: URLSearchParams, name: string): TextFilter | undefined {
  const value = text(query, name);
  if (value === undefined) return undefined;
  const isPrefix = value.endsWith("*");
  const whole = isPrefix ? value.slice(0, -1) : value;
  if (whole.includes("*")) throw new AppError("REQUEST_INVALID", `${name} may have one * at its end`);
  return { text: whole, isPrefix };
}

function time(query: URLSearchParams, name: string): number | undefined {
  const value = text(query, name);
  if (value === undefined) return undefined;
  const ms = /^[0-9]{1,15}$/.test(value) ? Number(value) : Date.parse(value);
  if (!Number.isSafeInteger(ms) || ms < 0) {
    throw new AppError("REQUEST_INVALID", `${name} must be a time: milliseconds, or 2026-01-31T00:00:00Z`);
  }
  return ms;
}
