/**
 * Where time goes, told to a collector outside. Undefined where tracing is off: then nothing of it is loaded and nothing is called. A span belongs to the one in
 * whose `run` it begins, across everything that is awaited there.
 */
export interface Tracing {
  /** Runs the work in a span; what it throws marks the span as failed and is thrown on. */
  run<T>(span: SpanStart, work: (note: (attributes: Attributes) => void) => Promise<T>): Promise<T>;
  /** Tells of something that has just ended. Dropped where no span is under way: what nobody asked for is not traced. */
  past(span: SpanStart, durationMs: number, isFailed: boolean): void;
  /** How the span under way is named to others (W3C Trace Context); undefined = there is none. */
  traceparent(): string | undefined;
  /** Sends what is left, for a few seconds at most. */
  close(): Promise<void>;
}

/** Words and numbers of the program and of requests; no secrets, no whole URLs. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanStart {
  readonly name: string;
  readonly kind: "server" | "client" | "internal";
  readonly attributes?: Attributes;
  /** What the caller calls its own span, as its header says; anything else than a well-formed one begins a new trace. */
  readonly traceparent?: string | undefined;
}
