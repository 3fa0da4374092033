import type { QueryParameter } from "../../http/query-parameter.ts";
import { AppError } from "../../lib/app-error.ts";
import { dayMs } from "./usage-recorder.ts";
import type { DayRange, Usage } from "./usage-store.ts";

const defaultDays = 31;

/** What a question for usage can be limited to. */
export const usageParameters: readonly QueryParameter[] = [
  {
    name: "from",
    form: "text",
    maxLength: 10,
    pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    description: "first day (UTC), 30 days before `to` when absent",
  },
  {
    name: "to",
    form: "text",
    maxLength: 10,
    pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    description: "last day (UTC), today when absent",
  },
];

/** `REQUEST_INVALID` for a day that is none. */
export function daysOf(query: URLSearchParams, nowMs: number): DayRange {
  const to = dayOf(query.get("to")) ?? Math.floor(nowMs / dayMs);
  return { from: dayOf(query.get("from")) ?? to - defaultDays + 1, to };
}

/** Usage as the API tells it, with its sum. */
export function usageReply(usage: readonly Usage[]) {
  const total = { pulls: 0, pushes: 0, bytesOut: 0, bytesIn: 0 };
  for (const { pulls, pushes, bytesOut, bytesIn } of usage) {
    total.pulls += pulls;
    total.pushes += pushes;
    total.bytesOut += bytesOut;
    total.bytesIn += bytesIn;
  }
  const shown = usage.map(({ day, ...counts }) => ({
    day: new Date(day * dayMs).toISOString().slice(0, 10),
    ...counts,
  }));
  return { usage: shown, total };
}

function dayOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const atMs = Date.parse(`${text}T00:00:00Z`);
  if (!Number.isFinite(atMs)) throw new AppError("REQUEST_INVALID", `${text} is no day`);
  return Math.floor(atMs / dayMs);
}
