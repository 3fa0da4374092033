import type { IncomingHttpHeaders } from "node:http";
import type { Registry as MetricsRegistry } from "prom-client";
import type { Access } from "../access/access.ts";
import type { Actor } from "../access/actor.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { MaybePromise } from "../lib/maybe-promise.ts";
import type { Answered } from "./answered.ts";
import type { SignInRules } from "./check-sign-in.ts";
import type { Endpoint } from "./endpoint.ts";
import type { RateLimits } from "./limit-rate.ts";

export interface HttpDeps {
  readonly endpoints: readonly Endpoint[];
  /** Who makes a request. No credentials = anonymous; wrong ones = `UNAUTHORIZED`. A cookie counts only where there is a `site`. */
  readonly authenticate: (
    headers: IncomingHttpHeaders,
    remoteAddress: string,
    site: CallSite | undefined,
    target: RequestTarget,
  ) => MaybePromise<Actor>;
  /** Undefined = nobody must prove more than who they are. */
  readonly signInRules?: SignInRules | undefined;
  readonly access: Access;
  readonly tokenService: string;
  /** Where a client gets a token for a repository, if not from our own service. */
  readonly realmOf?: (repository: string) => Promise<TokenRealm | undefined>;
  readonly publicUrl: string | undefined;
  readonly trustProxy: boolean;
  readonly limits: HttpLimits;
  /** Undefined = nothing is limited. */
  readonly rateLimits?: RateLimits | undefined;
  /** Asked once a request is authorized and before it is worked: may refuse it all the same. Undefined = at once, it may. */
  readonly admit?: ((actor: Actor, endpoint: Endpoint) => Promise<void> | undefined) | undefined;
  /** Told of each request that was answered; must not wait. */
  readonly onServed?: ((served: Served) => void) | undefined;
  /** PEM; undefined = plain HTTP. */
  readonly tls: TlsFiles | undefined;
  readonly sendfile: "auto" | "off";
  readonly log: Log;
  /** Requests that take longer and move little are warned of; 0 or absent = none. */
  readonly slowRequestMs?: number;
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  /** Told of every request at its end; must not throw and is not waited for. */
  readonly onAnswered?: ((answered: Answered) => void) | undefined;
}

export interface TokenRealm {
  readonly realm: string;
  readonly service: string;
}

/** What a request is about. */
export interface RequestTarget {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Whether a bearer token that has ended is taken all the same; asked only then. Undefined = it is not. */
  readonly takesEndedToken?: (() => Promise<boolean>) | undefined;
}

/** What a cookie must be judged by; clients that know no cookies are never called at such an address. */
export interface CallSite {
  readonly method: string;
  /** What the client called us: scheme://host[:port]. */
  readonly origin: string;
}

/** A request that was answered, for those who count. */
export interface Served {
  readonly endpointId: string;
  readonly path: string;
  readonly actor: Actor;
  /** The `{name}` of the path. */
  readonly repository: string | undefined;
  readonly status: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface HttpLimits {
  /** A connection opened beyond it is answered 503 and closed; health and metrics are answered all the same. */
  readonly maxConnections: number;
  /** A request beyond it is answered 429 with Retry-After; health and metrics are not. */
  readonly maxRequestsInFlight: number;
  /** For the headers, and for a body that is no blob. */
  readonly requestTimeoutMs: number;
  /** Between two bytes, either way, while it is the client's turn. */
  readonly idleTimeoutMs: number;
}

export interface TlsFiles {
  readonly certificate: Buffer;
  readonly key: Buffer;
}
