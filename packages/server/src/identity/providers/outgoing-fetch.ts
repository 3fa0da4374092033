import type { OutgoingHttp } from "../../lib/outgoing-http.ts";

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;

/**
 * `fetch` for libraries that bring none: through the guarded client, so it reaches only what may be reached, follows no redirect, and every answer has
 * a deadline and a longest length. Takes text and form bodies.
 */
export function createOutgoingFetch(
  outgoing: OutgoingHttp,
  timeoutMs: number,
): (url: string, init: OutgoingFetchInit) => Promise<Response> {
  return async (url, init) => {
    const method = methods.find((one) => one === (init.method ?? "GET").toUpperCase());
    if (method === undefined) throw new TypeError("a request by an unknown method");
    const headers = new Headers(init.headers);
    const { body } = init;
    const text = body instanceof URLSearchParams ? body.toString() : body;
    if (text !== undefined && text !== null && typeof text !== "string")
      throw new TypeError("a body that is no text");
    if (body instanceof URLSearchParams && !headers.has("content-type")) {
      headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
    }
    const reply = await outgoing.request(url, {
      method,
      headers: Object.fromEntries(headers.entries()),
      ...(typeof text === "string" ? { body: text } : {}),
      ...(init.signal instanceof AbortSignal ? { signal: init.signal } : {}),
      timeoutMs,
    });
    const hasBody = ![101, 204, 205, 304].includes(reply.status);
    return new Response(hasBody ? new Uint8Array(reply.body) : null, {
      status: reply.status,
      headers: reply.headers,
    });
  };
}

interface OutgoingFetchInit {
  readonly method?: string | undefined;
  readonly headers?: ConstructorParameters<typeof Headers>[0];
  readonly body?: unknown;
  readonly signal?: AbortSignal | null | undefined;
}
