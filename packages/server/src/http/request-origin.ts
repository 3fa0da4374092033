import type { IncomingHttpHeaders } from "node:http";
import { isIPv6 } from "node:net";
import { AppError } from "../lib/app-error.ts";

// RFC 3986, 3.2: a host name (with the underscores that container networks have in theirs) or an address, and a port.
const hostGrammar =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,253}[a-zA-Z0-9.])?|\[[0-9a-fA-F:.]{2,45}\])(?::[0-9]{1,5})?$/;

/**
 * What the client called us: the configured address, else scheme and Host header. What a proxy forwarded counts only where it is trusted; of several
 * values the first, which is nearest to the client. A Host that is none is `REQUEST_INVALID`: it would end up in a challenge. HTTP/1.0 may leave
 * it out, as the health checks of some load balancers do: then it is the address that was connected to.
 */
export function requestOrigin(
  request: {
    readonly headers: IncomingHttpHeaders;
    readonly host: string | undefined;
    readonly isTls: boolean;
    readonly socket: { readonly localAddress?: string | undefined; readonly localPort?: number | undefined };
  },
  options: { readonly publicUrl: string | undefined; readonly trustProxy: boolean },
): string {
  if (options.publicUrl !== undefined) return options.publicUrl;
  const forwardedScheme = options.trustProxy ? first(request.headers["x-forwarded-proto"]) : undefined;
  const forwardedHost = options.trustProxy ? first(request.headers["x-forwarded-host"]) : undefined;
  const isHttps = forwardedScheme === undefined ? request.isTls : forwardedScheme.toLowerCase() === "https";
  const host = forwardedHost ?? request.host ?? localHost(request.socket);
  if (!hostGrammar.test(host)) throw new AppError("REQUEST_INVALID", "the Host header is no host name");
  return `${isHttps ? "https" : "http"}://${host}`;
}

function localHost(socket: {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}): string {
  const address = (socket.localAddress ?? "").replace(/^::ffff:/, "");
  return `${isIPv6(address) ? `[${address}]` : address}:${socket.localPort ?? ""}`;
}

/**
 * The client's address; where there is a trusted proxy, what it says of it. That is the last of several: proxies append to the header, so that
 * everything before it is only what the client claims, and sign-in limits go by this address.
 */
export function clientAddress(
  request: { readonly headers: IncomingHttpHeaders; readonly remoteAddress: string | undefined },
  trustProxy: boolean,
): string {
  const forwarded = trustProxy ? last(request.headers["x-forwarded-for"]) : undefined;
  const address = withoutPort(forwarded ?? request.remoteAddress ?? "");
  return /^[0-9a-fA-F:.]{2,45}$/.test(address) ? address.replace(/^::ffff:/, "") : "unknown";
}

/** Some gateways forward "192.0.2.1:4711" or "[2001:db8::1]:4711". */
function withoutPort(address: string): string {
  const match = /^\[([^\]]*)\](?::\d+)?$|^([\d.]+):\d+$/.exec(address);
  return match?.[1] ?? match?.[2] ?? address;
}

function first(header: string | string[] | undefined): string | undefined {
  return joined(header)?.split(",", 1)[0]?.trim();
}

function last(header: string | string[] | undefined): string | undefined {
  return joined(header)?.split(",").at(-1)?.trim();
}

function joined(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(",") : header;
}
