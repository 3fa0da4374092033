import { Buffer } from "node:buffer";
import { failure } from "./case-problem.ts";

/** Parses UTF-8 JSON. Throws a failed case that shows the beginning of a body that is not JSON. */
export function parseJson(body: Uint8Array): unknown {
  const text = Buffer.from(body).toString("utf8");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw failure(`body is not JSON: ${JSON.stringify(text.slice(0, 200))}`, { cause });
  }
}

/** The value of an own property, or undefined when the value is not an object or lacks it. */
export function propertyOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

/** The elements when the value is an array, otherwise undefined. */
export function arrayOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}
