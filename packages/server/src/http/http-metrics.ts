import { Counter, Gauge, Histogram, type Registry as MetricsRegistry } from "prom-client";

/** What is measured of every request. Labels are endpoint ids and methods: a closed set, never a name from outside. */
export interface HttpMetrics {
  started(): void;
  finished(request: {
    readonly endpoint: string;
    readonly method: string;
    readonly status: number;
    readonly durationMs: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
  }): void;
  refused(): void;
}

const knownMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

export function declareHttpMetrics(registry: MetricsRegistry, connections: () => number): HttpMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: "entrepot_http_requests_total",
    help: "Requests answered, by endpoint, method and status class.",
    labelNames: ["endpoint", "method", "status"] as const,
    registers,
  });
  const duration = new Histogram({
    name: "entrepot_http_request_duration_seconds",
    help: "From the first byte of a request to the end of its reply, by endpoint.",
    labelNames: ["endpoint"] as const,
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300],
    registers,
  });
  const inFlight = new Gauge({
    name: "entrepot_http_requests_in_flight",
    help: "Requests being worked on.",
    registers,
  });
  const bytes = new Counter({
    name: "entrepot_http_bytes_total",
    help: "Bytes of request and reply bodies, by direction.",
    labelNames: ["direction"] as const,
    registers,
  });
  const refused = new Counter({
    name: "entrepot_http_refused_total",
    help: "Requests refused because too many were in flight.",
    registers,
  });
  new Gauge({
    name: "entrepot_http_connections",
    help: "Open client connections.",
    registers,
    collect() {
      this.set(connections());
    },
  });
  return {
    started: () => inFlight.inc(),
    finished(request) {
      inFlight.dec();
      const status = `${Math.floor(request.status / 100)}xx`;
      const method = knownMethods.has(request.method) ? request.method : "OTHER";
      requests.inc({ endpoint: request.endpoint, method, status });
      duration.observe({ endpoint: request.endpoint }, request.durationMs / 1_000);
      if (request.bytesIn > 0) bytes.inc({ direction: "in" }, request.bytesIn);
      if (request.bytesOut > 0) bytes.inc({ direction: "out" }, request.bytesOut);
    },
    refused: () => refused.inc(),
  };
}
