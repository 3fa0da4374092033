import { printable } from "./printable.ts";

/**
 * What every function of this package throws when a registry refuses, answers nonsense or cannot be reached. An abort passes through as the
 * signal's own reason.
 */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  /** Of the answer; undefined when there was none. */
  readonly status: number | undefined;
  /** The registry's own code (`MANIFEST_UNKNOWN`), or one of `UNREACHABLE`, `BAD_ANSWER`, `DIGEST_INVALID`, `UNKNOWN`. */
  readonly code: string;
  /** Who refused or was not reached, as far as that is known. */
  readonly host: string | undefined;

  /** `message` is one sentence for a person; no secret goes into it. */
  constructor(
    message: string,
    options: {
      readonly status?: number;
      readonly code: string;
      readonly host?: string;
      readonly cause?: unknown;
    },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = options.status;
    this.code = options.code;
    this.host = options.host;
  }
}

/** Whether the registry said that the thing does not exist. */
export function isNotFound(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 404;
}

/** The first error of an answer's body (distribution-spec, "Error Codes"); empty texts when the body is not of that form. */
export function readErrorBody(body: string): { readonly code: string; readonly message: string } {
  const none = { code: "", message: "" };
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return none;
  }
  const errors = member(json, "errors");
  if (!Array.isArray(errors)) return { code: "", message: text(member(json, "details")) };
  const first: unknown = errors[0];
  const code = text(member(first, "code"));
  return { code: /^[A-Z_]{1,64}$/.test(code) ? code : "", message: text(member(first, "message")) };
}

/**
 * Describes a refusal: "cannot read manifest acme/app:1 from localhost:5000: manifest unknown (404 MANIFEST_UNKNOWN)". `what` names the
 * operation as an infinitive.
 */
export function refusal(what: string, host: string, status: number, body: string): RegistryError {
  const { code, message } = readErrorBody(body);
  const said = message === "" ? meaningOf(status) : printable(message);
  const codeText = code === "" ? "" : ` ${code}`;
  return new RegistryError(`cannot ${what} at ${host}: ${said} (${status}${codeText})`, {
    status,
    code: code === "" ? "UNKNOWN" : code,
    host,
  });
}

function meaningOf(status: number): string {
  switch (status) {
    case 401:
      return "it wants other credentials";
    case 403:
      return "these credentials do not allow it";
    case 404:
      return "it is not there";
    case 405:
      return "this registry does not offer that";
    case 413:
      return "it is too large for this registry";
    case 429:
      return "too many requests";
    default:
      return status >= 500 ? "the registry has a problem" : "the registry refused";
  }
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
