import type { Registry as MetricsRegistry } from "prom-client";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";

/** Prometheus text format. No label carries a name of a repository or user, so it may be public. */
export function metricsEndpoints(
  registry: MetricsRegistry,
  access: "public" | "administrator",
): readonly Endpoint[] {
  return [
    endpoint({
      id: "metrics.get",
      method: "GET",
      path: "/metrics",
      can: { who: access },
      summary: "Numbers of this process for Prometheus.",
      handle: async () => ({
        status: 200,
        headers: { "content-type": registry.contentType },
        body: { kind: "text", text: await registry.metrics() },
      }),
    }),
  ];
}
