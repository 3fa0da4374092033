import { Buffer } from "node:buffer";

/** A request after it was read whole. Header names are in lower case. */
export interface RegistryRequest {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

export interface RegistryReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** `Content-Length` is added when it is absent from the headers; a HEAD sends the length but not the body. */
  readonly body?: Buffer;
}

/** Answers one request. */
export type Handler = (request: RegistryRequest) => RegistryReply;

/** The first value of a header, or undefined. */
export function requestHeader(request: RegistryRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : value?.[0];
}

/** A JSON reply. */
export function jsonReply(
  status: number,
  value: unknown,
  headers: RegistryReply["headers"] = {},
): RegistryReply {
  return {
    status,
    headers: { "Content-Type": "application/json", ...headers },
    body: Buffer.from(JSON.stringify(value)),
  };
}

/** An error in the form of distribution-spec, "Error Codes". */
export function errorReply(status: number, code: string): RegistryReply {
  return jsonReply(status, { errors: [{ code }] });
}
