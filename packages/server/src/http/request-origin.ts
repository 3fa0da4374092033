import type { IncomingHttpHeaders } from "node:http";
import { AppError } from "../lib/app-error.ts";

const hostGrammar =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,253}[a-zA-Z0-9])?|\[[0-9a-fA-F:.]{2,45}\])(?::[0-9]{1,5})?$/;

/**
 * What the client called us: the configured address, else scheme and Host header. What a proxy forwarded counts only where it is trusted. A Host
 * that is none is `REQUEST_INVALID`: it would end up in a challenge.
 */
export function requestOrigin(
  request: { readonly headers: IncomingHttpHeaders; readonly isTls: boolean },
  options: { readonly publicUrl: string | undefined; readonly trustProxy: boolean },
): string {
  if (options.publicUrl !== undefined) return options.publicUrl;
  const forwardedScheme = options.trustProxy ? first(request.headers["x-forwarded-proto"]) : undefined;
  const forwardedHost = options.trustProxy ? first(request.headers["x-forwarded-host"]) : undefined;
  const isHttps = forwardedScheme === undefined ? request.isTls : forwardedScheme.toLowerCase() === "https";
  const host = forwardedHost ?? request.headers.host ?? "";
  if (!hostGrammar.test(host)) throw new AppError("REQUEST_INVALID", "the Host header is no host name");
  return `${isHttps ? "https" : "http"}://${host}`;
}

/** The client's address; what a trusted proxy says of it, where there is one. */
export function clientAddress(
  request: { readonly headers: IncomingHttpHeaders; readonly remoteAddress: string | undefined },
  trustProxy: boolean,
): string {
  const forwarded = trustProxy ? first(request.headers["x-forwarded-for"]) : undefined;
  const address = forwarded ?? request.remoteAddress ?? "";
  return /^[0-9a-fA-F:.]{2,45}$/.test(address) ? address.replace(/^::ffff:/, "") : "unknown";
}

function first(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  return text?.split(",", 1)[0]?.trim();
}
