import type { TSchema } from "typebox";
import { AppError } from "../lib/app-error.ts";
import type { Endpoint } from "./endpoint.ts";

export type BodyCheck = (bytes: Uint8Array, contentType: string | undefined) => Promise<unknown>;

const shownProblems = 3;
const shownCharacters = 500;

/**
 * Parses a JSON or form body and checks it against the endpoint's schema. `REQUEST_INVALID` with where and why. Form fields are strings; one
 * that comes twice is refused.
 */
export function createBodyCheck(endpoint: Endpoint): BodyCheck | undefined {
  if (endpoint.body === undefined) return undefined;
  const load = endpoint.body;
  let validator: Promise<Validator> | undefined;
  return async (bytes, contentType) => {
    const type = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase();
    const text = decode(bytes);
    const value = type === "application/x-www-form-urlencoded" ? parseForm(text) : parseJson(text, type);
    validator ??= load().then(compile);
    const { Check, Errors } = await validator;
    if (Check(value)) return value;
    const problems = Errors(value)
      .slice(0, shownProblems)
      .map((problem) => `${problem.instancePath || "the body"} ${problem.message}`);
    throw new AppError(
      "REQUEST_INVALID",
      `the request body is not of the documented form: ${problems.join("; ").slice(0, shownCharacters)}`,
    );
  };
}

interface Validator {
  readonly Check: (value: unknown) => boolean;
  readonly Errors: (value: unknown) => readonly { readonly instancePath: string; readonly message: string }[];
}

/** Compiled at the first body: most processes never see one of most endpoints, and the compiler is a large module. */
async function compile(schema: TSchema): Promise<Validator> {
  const { Compile } = await import("typebox/compile");
  const validator = Compile(schema);
  return { Check: (value) => validator.Check(value), Errors: (value) => validator.Errors(value) };
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError("REQUEST_INVALID", "the request body is not UTF-8", { cause });
  }
}

function parseJson(text: string, type: string | undefined): unknown {
  if (type !== "application/json") {
    throw new AppError("REQUEST_INVALID", "send the body as application/json");
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError("REQUEST_INVALID", "the request body is not JSON", { cause });
  }
}

function parseForm(text: string): unknown {
  const fields: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    if (Object.hasOwn(fields, name))
      throw new AppError("REQUEST_INVALID", `the form has ${JSON.stringify(name.slice(0, 40))} twice`);
    Object.defineProperty(fields, name, { value, enumerable: true });
  }
  return fields;
}
