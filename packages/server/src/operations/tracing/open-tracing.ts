import { AsyncLocalStorage } from "node:async_hooks";
import type { Context, Span } from "@opentelemetry/api";
import type { SpanStart, Tracing } from "../../lib/tracing.ts";

export interface TracingOptions {
  /** Where the collector takes OTLP over HTTP: `/v1/traces` is appended. */
  readonly endpoint: string;
  /** Sent with every export: "name=value,name=value", as OTEL_EXPORTER_OTLP_HEADERS has it. */
  readonly headers: string | undefined;
  readonly serviceName: string;
  readonly version: string;
  readonly instanceId: string;
  /** Of a hundred traces that begin here, how many are told of; those that begin elsewhere do as their header says. */
  readonly percent: number;
}

const closeMs = 5_000;

/** Loads what is needed to trace and begins to. Never throws for a collector that is away: spans are dropped then. */
export async function openTracing(options: TracingOptions): Promise<Tracing> {
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/sdk-trace"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/resources"),
  ]);
  const exporter = new OTLPTraceExporter({
    url: `${options.endpoint.replace(/\/$/, "")}/v1/traces`,
    headers: parseHeaders(options.headers),
  });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({
      "service.name": options.serviceName,
      "service.version": options.version,
      "service.instance.id": options.instanceId,
    }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(options.percent / 100) }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  });
  const tracer = provider.getTracer("entrepot", options.version);
  // Of this object's own, not the library's global one: two servers in a process must not mix.
  const current = new AsyncLocalStorage<Context>();
  const kinds = { server: api.SpanKind.SERVER, client: api.SpanKind.CLIENT, internal: api.SpanKind.INTERNAL };

  function parentOf(start: SpanStart): Context {
    const inside = current.getStore();
    if (inside !== undefined) return inside;
    const remote = parseTraceparent(start.traceparent);
    return remote === undefined
      ? api.ROOT_CONTEXT
      : api.trace.setSpanContext(api.ROOT_CONTEXT, { ...remote, isRemote: true });
  }

  function fail(span: Span, error: unknown): void {
    span.setStatus({
      code: api.SpanStatusCode.ERROR,
      message: error instanceof Error ? error.name : "unknown",
    });
  }

  return {
    async run(start, work) {
      const parent = parentOf(start);
      const span = tracer.startSpan(
        start.name,
        { kind: kinds[start.kind], attributes: { ...start.attributes } },
        parent,
      );
      try {
        return await current.run(api.trace.setSpan(parent, span), () =>
          work((attributes) => void span.setAttributes({ ...attributes })),
        );
      } catch (error) {
        fail(span, error);
        throw error;
      } finally {
        span.end();
      }
    },
    past(start, durationMs, isFailed) {
      const parent = current.getStore();
      if (parent === undefined) return;
      const endTime = performance.timeOrigin + performance.now();
      const span = tracer.startSpan(
        start.name,
        { kind: kinds[start.kind], attributes: { ...start.attributes }, startTime: endTime - durationMs },
        parent,
      );
      if (isFailed) span.setStatus({ code: api.SpanStatusCode.ERROR });
      span.end(endTime);
    },
    traceparent() {
      const store = current.getStore();
      const span = store === undefined ? undefined : api.trace.getSpanContext(store);
      if (span === undefined) return undefined;
      return `00-${span.traceId}-${span.spanId}-0${span.traceFlags & 1}`;
    },
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, closeMs);
      });
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}

/** https://www.w3.org/TR/trace-context/#traceparent-header: ids of zeros are none. */
function parseTraceparent(text: string | undefined) {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/.exec(text ?? "");
  const [, traceId = "", spanId = "", flags = ""] = match ?? [];
  if (match === null || /^0+$/.test(traceId) || /^0+$/.test(spanId) || text?.startsWith("ff") === true)
    return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1 };
}

function parseHeaders(text: string | undefined): Record<string, string> {
  const pairs = (text ?? "").split(",").flatMap((pair) => {
    const at = pair.indexOf("=");
    return at < 1 ? [] : [[pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())] as const];
  });
  return Object.fromEntries(pairs);
}
