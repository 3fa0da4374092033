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

/** The last one stands for all others. */
const methods: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OTHER"];
/** 0xx (no reply was made) to 5xx. */
const statusClasses = 6;

export function declareHttpMetrics(registry: MetricsRegistry, connections: () => number): HttpMetrics {
  const registers = [registry];
  const tally = createTally();
  new Counter({
    name: "entrepot_http_requests_total",
    help: "Requests answered, by endpoint, method and status class.",
    labelNames: ["endpoint", "method", "status"] as const,
    registers,
    collect() {
      for (const { labels, count } of tally.takeRequests()) this.inc(labels, count);
    },
  });
  const duration = new Histogram({
    name: "entrepot_http_request_duration_seconds",
    help: "From the first byte of a request to the end of its reply, by endpoint.",
    labelNames: ["endpoint"] as const,
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300],
    registers,
  });
  let inFlight = 0;
  new Gauge({
    name: "entrepot_http_requests_in_flight",
    help: "Requests being worked on.",
    registers,
    collect() {
      this.set(inFlight);
    },
  });
  new Counter({
    name: "entrepot_http_bytes_total",
    help: "Bytes of request and reply bodies, by direction.",
    labelNames: ["direction"] as const,
    registers,
    collect() {
      for (const [direction, bytes] of tally.takeBytes()) this.inc({ direction }, bytes);
    },
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
    started() {
      inFlight += 1;
    },
    finished(request) {
      inFlight -= 1;
      tally.add(request);
      duration.observe({ endpoint: request.endpoint }, request.durationMs / 1_000);
    },
    refused: () => refused.inc(),
  };
}

interface RequestLabels {
  readonly endpoint: string;
  readonly method: string;
  readonly status: string;
}

/** Counts between two collections: a labelled counter of the library costs a microsecond each time it is told, and every request would tell two. */
function createTally() {
  /** By endpoint; in each by method and status class. */
  const requests = new Map<string, number[]>();
  let bytesIn = 0;
  let bytesOut = 0;
  return {
    add(request: Pick<Parameters<HttpMetrics["finished"]>[0], keyof RequestLabels | "bytesIn" | "bytesOut">) {
      const { endpoint, method, status } = request;
      let counts = requests.get(endpoint);
      if (counts === undefined) {
        counts = Array.from({ length: methods.length * statusClasses }, () => 0);
        requests.set(endpoint, counts);
      }
      const known = methods.indexOf(method);
      const row = known === -1 ? methods.length - 1 : known;
      const place = row * statusClasses + Math.floor(status / 100);
      counts[place] = (counts[place] ?? 0) + 1;
      bytesIn += request.bytesIn;
      bytesOut += request.bytesOut;
    },
    takeRequests() {
      const taken: { readonly labels: RequestLabels; readonly count: number }[] = [];
      for (const [endpoint, counts] of requests) {
        for (const [place, count] of counts.entries()) {
          if (count === 0) continue;
          const method = methods[Math.floor(place / statusClasses)] ?? "OTHER";
          taken.push({ labels: { endpoint, method, status: `${place % statusClasses}xx` }, count });
        }
      }
      requests.clear();
      return taken;
    },
    takeBytes() {
      const taken = [
        ["in", bytesIn],
        ["out", bytesOut],
      ] as const;
      bytesIn = 0;
      bytesOut = 0;
      return taken;
    },
  };
}
