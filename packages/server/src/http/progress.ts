import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { type Actor, anonymous } from "../access/actor.ts";
import type { Endpoint, HttpMethod } from "./endpoint.ts";
import type { HttpDeps } from "./http-deps.ts";
import type { RateState } from "./limit-rate.ts";
import { clientAddress } from "./request-origin.ts";
import { splitTarget } from "./split-target.ts";

/** What is known of a request while it is worked on; filled step by step, read by the log line at the end. */
export interface Progress {
  readonly requestId: string;
  readonly startedAtMs: number;
  readonly pathname: string;
  readonly query: URLSearchParams;
  /** What the client called us; undefined when it did not (HTTP/1.0). */
  readonly host: string | undefined;
  readonly isTls: boolean;
  readonly remoteAddress: string;
  readonly socketBytesBefore: number;
  /** What the client calls this server; "" until that is known to be harmless. */
  origin: string;
  endpoint: Endpoint | undefined;
  /** The methods that the path has, when it does not have the one that was used. */
  allowed: readonly HttpMethod[] | undefined;
  params: Readonly<Record<string, string>>;
  actor: Actor;
  presented: "nothing" | "password" | "bad-token" | "narrow-token";
  hasBegunBody: boolean;
  /** Of the limits on requests the one that is nearest; undefined = none. */
  rate: RateState | undefined;
  status: number;
  code: string | undefined;
  /** Of the manifest or blob that is sent. */
  digest: string | undefined;
  bytesOut: number;
}

/** Shared by all requests without one; nobody writes into a query. */
const noQuery = new URLSearchParams();

export function beginProgress(deps: HttpDeps, request: IncomingMessage): Progress {
  const { pathname, query, host } = splitTarget(request.url ?? "/", request.headers.host);
  const given = request.headers["x-request-id"];
  const { socket } = request;
  return {
    // A client's own id is taken when it is harmless in a log.
    requestId:
      typeof given === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : deps.newRequestId(),
    startedAtMs: performance.now(),
    pathname,
    query: query === "" ? noQuery : new URLSearchParams(query),
    host,
    isTls: socket instanceof TLSSocket,
    remoteAddress: clientAddress(
      { headers: request.headers, remoteAddress: socket.remoteAddress },
      deps.trustProxy,
    ),
    socketBytesBefore: socket.bytesRead,
    origin: "",
    endpoint: undefined,
    allowed: undefined,
    params: {},
    actor: anonymous,
    presented: "nothing",
    hasBegunBody: false,
    rate: undefined,
    status: 0,
    code: undefined,
    digest: undefined,
    bytesOut: 0,
  };
}
