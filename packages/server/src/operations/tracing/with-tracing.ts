import type { JobKind } from "../../activity/jobs/job-kind.ts";
import type { Endpoint } from "../../http/endpoint.ts";
import type { OutgoingHttp } from "../../lib/outgoing-http.ts";
import type { Tracing } from "../../lib/tracing.ts";
import type { BlobStoreMetrics } from "../../storage/blob-store/with-metrics.ts";

/** The same endpoints, each request's handler in a span that goes on with the trace of the caller. Those that watchers ask are left out. */
export function traceEndpoints(endpoints: readonly Endpoint[], tracing: Tracing): readonly Endpoint[] {
  return endpoints.map((endpoint) => {
    if (endpoint.path.startsWith("/health/") || endpoint.path === "/metrics") return endpoint;
    const { method, path, id } = endpoint;
    const name = `${method} ${path}`;
    return {
      ...endpoint,
      handle: (call, request) => {
        const header = request.headers["traceparent"];
        const attributes = {
          "http.request.method": method,
          "http.route": path,
          "entrepot.endpoint": id,
          "entrepot.request_id": call.requestId,
          ...(request.params["name"] === undefined ? {} : { "entrepot.repository": request.params["name"] }),
        };
        const traceparent = typeof header === "string" ? header : undefined;
        return tracing.run({ name, kind: "server", attributes, traceparent }, async (note) => {
          const reply = await endpoint.handle(call, request);
          note({ "http.response.status_code": reply.status });
          return reply;
        });
      },
    };
  });
}

/** The same kinds, each attempt in a span of its own trace. */
export function traceKinds(kinds: readonly JobKind[], tracing: Tracing): readonly JobKind[] {
  return kinds.map((kind) => ({
    ...kind,
    run: (job, signal, progress) => {
      const attributes = { "entrepot.job.id": job.id, "entrepot.job.attempt": job.attempt };
      return tracing.run({ name: `job ${kind.kind}`, kind: "internal", attributes }, () =>
        kind.run(job, signal, progress),
      );
    },
  }));
}

/** The same client; each request in a span whose name the other side is told. Of the address only host and method are told. */
export function traceOutgoing(outgoing: OutgoingHttp, tracing: Tracing): OutgoingHttp {
  return {
    request(url, options = {}) {
      const method = options.method ?? "GET";
      const host = URL.canParse(String(url)) ? new URL(String(url)).host : "unknown";
      const attributes = { "http.request.method": method, "server.address": host };
      return tracing.run({ name: `${method} ${host}`, kind: "client", attributes }, async (note) => {
        const traceparent = tracing.traceparent();
        const headers = { ...options.headers, ...(traceparent === undefined ? {} : { traceparent }) };
        const reply = await outgoing.request(url, { ...options, headers });
        note({ "http.response.status_code": reply.status });
        return reply;
      });
    },
    close: () => outgoing.close(),
  };
}

/** The same figures, and each call of the store told to the trace as well. */
export function traceStorage(metrics: BlobStoreMetrics, tracing: Tracing): BlobStoreMetrics {
  return {
    observe(operation, seconds, outcome) {
      metrics.observe(operation, seconds, outcome);
      tracing.past({ name: `storage ${operation}`, kind: "client" }, seconds * 1_000, outcome === "error");
    },
    wrote: (bytes) => metrics.wrote(bytes),
  };
}

/** For `OpenDatabaseOptions.onStatement`. The text has no values in it. */
export function traceStatements(tracing: Tracing, engine: string) {
  return (sql: string, durationMs: number, isFailed: boolean): void => {
    const verb = /^\W*(\w+)/.exec(sql)?.[1]?.toLowerCase() ?? "statement";
    const attributes = { "db.system.name": engine, "db.query.text": sql.slice(0, 2_000) };
    tracing.past({ name: `sql ${verb}`, kind: "client", attributes }, durationMs, isFailed);
  };
}
