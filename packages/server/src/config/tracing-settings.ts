import { numberSetting, textSetting } from "./settings.ts";

/** Traces for a collector of OpenTelemetry. The variables are those that its specification names. */
export const tracingSettings = {
  tracingEndpoint: textSetting({
    key: "tracing.endpoint",
    variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
    defaultValue: undefined,
    defaultText: "none: nothing is traced, and nothing for it is loaded",
    description:
      "Where a collector takes OTLP over HTTP, such as `http://collector:4318`. Requests, database statements, storage, jobs and outgoing requests are traced then.",
  }),
  tracingHeaders: textSetting({
    key: "tracing.headers",
    variable: "OTEL_EXPORTER_OTLP_HEADERS",
    defaultValue: undefined,
    isSecret: true,
    description: "Headers for the collector: `name=value,name=value`.",
  }),
  tracingServiceName: textSetting({
    key: "tracing.serviceName",
    variable: "OTEL_SERVICE_NAME",
    defaultValue: "entrepot",
    description: "What the collector calls this registry.",
  }),
  tracingPercent: numberSetting({
    key: "tracing.percent",
    variable: "ENTREPOT_TRACING_PERCENT",
    defaultValue: 100,
    min: 0,
    max: 100,
    description:
      "Of a hundred traces that begin here, how many are told of. Those that begin at a caller do as its `traceparent` says.",
  }),
} as const;
