import type { Readable } from "node:stream";
import { Agent, type Dispatcher } from "undici";
import { RegistryError } from "./registry-error.ts";
import {
  defaultRetryPolicy,
  errorCode,
  isBrokenConnection,
  isPassingStatus,
  isRefusedConnection,
  parseRetryAfter,
  pause,
  type RetryPolicy,
  retryDelayMs,
} from "./retry-policy.ts";

export interface TransportOptions {
  /** Connections to one host; more requests wait. 16 when absent. */
  readonly maxConnections?: number;
  /** Until a connection stands. 10 s when absent. */
  readonly connectTimeoutMs?: number;
  /** Until an answer begins: closing a large upload takes a registry long. 5 minutes when absent. */
  readonly headersTimeoutMs?: number;
  /** Silence inside a body that counts as a broken connection. 1 minute when absent. */
  readonly bodyTimeoutMs?: number;
  readonly retry?: RetryPolicy;
  /** PEM certificates of authorities to trust instead of the built-in ones. */
  readonly certificateAuthority?: string;
  /** Take any certificate. Only for trying things out. */
  readonly acceptAnyCertificate?: boolean;
  /** Told to registries; `entrepot` when absent. */
  readonly userAgent?: string;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Called for every attempt, as a stream can be sent only once. */
  readonly body?: () => Uint8Array | Readable;
  /** False where sending the same bytes again could append them twice. */
  readonly mayRepeat: boolean;
  /** For messages: the operation as an infinitive. */
  readonly what: string;
  readonly signal?: AbortSignal;
}

/** An answer whose body has not been read. It must be read or dumped: else its connection stays taken. */
export interface HttpResponse {
  readonly status: number;
  /** The value of a header, several joined by commas; undefined when absent. */
  header(name: string): string | undefined;
  readonly body: Dispatcher.ResponseData["body"];
}

/** HTTP with limits and repetition; knows nothing of registries. May be used concurrently. */
export interface HttpTransport {
  /** Every answer but a passing one (429, 502 to 504) that repetition cured; redirects are answers. `UNREACHABLE` when there is none. */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Cuts idle connections and waits for the others. */
  close(): Promise<void>;
}

/** Opens nothing yet; connections are made when they are needed. */
export function createHttpTransport(options: TransportOptions = {}): HttpTransport {
  const retry = options.retry ?? defaultRetryPolicy;
  const agent = new Agent({
    connections: options.maxConnections ?? 16,
    pipelining: 1,
    headersTimeout: options.headersTimeoutMs ?? 300_000,
    bodyTimeout: options.bodyTimeoutMs ?? 60_000,
    connect: {
      timeout: options.connectTimeoutMs ?? 10_000,
      rejectUnauthorized: options.acceptAnyCertificate !== true,
      ...(options.certificateAuthority === undefined ? {} : { ca: options.certificateAuthority }),
    },
  });
  const userAgent = options.userAgent ?? "entrepot";
  // Hosts that have answered: a refused connection there is a restart, elsewhere more likely a wrong address.
  const answered = new Set<string>();

  async function attemptOnce(request: HttpRequest): Promise<HttpResponse> {
    const { method, url, signal } = request;
    const response = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: { "user-agent": userAgent, ...request.headers },
      body: request.body === undefined ? null : request.body(),
      ...(signal === undefined ? {} : { signal }),
    });
    answered.add(url.origin);
    const header = (name: string) => {
      const value = response.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    };
    return { status: response.statusCode, header, body: response.body };
  }

  function isWorthRepeating(error: unknown, origin: string): boolean {
    return isBrokenConnection(error) || (isRefusedConnection(error) && answered.has(origin));
  }

  return {
    async send(request) {
      for (let attempt = 1; ; attempt++) {
        request.signal?.throwIfAborted();
        let delayMs: number | undefined;
        try {
          const response = await attemptOnce(request);
          if (!request.mayRepeat || !isPassingStatus(response.status)) return response;
          const retryAfterMs = parseRetryAfter(response.header("retry-after"), response.header("date"));
          delayMs = retryDelayMs(retry, attempt, retryAfterMs);
          if (delayMs === undefined) return response;
          await response.body.dump();
        } catch (error) {
          request.signal?.throwIfAborted();
          if (error instanceof RegistryError) throw error;
          if (request.mayRepeat && isWorthRepeating(error, request.url.origin)) {
            delayMs = retryDelayMs(retry, attempt, undefined);
          }
          if (delayMs === undefined) throw unreachable(request, error);
        }
        await pause(delayMs, request.signal);
      }
    },
    close: async () => agent.close(),
  };
}

function unreachable(request: HttpRequest, error: unknown): RegistryError {
  return new RegistryError(
    `cannot ${request.what} at ${request.url.host}: ${whyUnreachable(error, request.url)}`,
    { code: "UNREACHABLE", host: request.url.host, cause: error },
  );
}

function whyUnreachable(error: unknown, url: URL): string {
  const code = errorCode(error);
  if (code === "ECONNREFUSED") return "nothing listens there";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "the host name is not known";
  if (code === "UND_ERR_CONNECT_TIMEOUT") return "it does not answer";
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "EPROTO") {
    return "it speaks plain http, not https";
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code)) return `its certificate is not trusted (${code})`;
  if (isBrokenConnection(error)) {
    return url.protocol === "http:"
      ? `the connection broke (${code}); it may speak https`
      : `the connection broke (${code})`;
  }
  return error instanceof Error ? error.message : String(error);
}
