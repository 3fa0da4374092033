import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { Registry } from "prom-client";
import type { Access } from "../../access/access.ts";
import { anonymous } from "../../access/actor.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Log, LogFields } from "../../lib/log.ts";
import { createHttpServer, type HttpServer } from "../create-http-server.ts";
import type { Call, Endpoint, Reply, Request } from "../endpoint.ts";
import type { HttpDeps, HttpLimits } from "../http-deps.ts";

export interface LogLine {
  readonly level: "error" | "warn" | "info" | "debug";
  readonly fields: LogFields;
  readonly message: string;
}

/** A real server on a port of its own, with whatever endpoints a test needs. */
export interface TestServer {
  readonly port: number;
  readonly server: HttpServer;
  readonly lines: readonly LogLine[];
  /** Resolves when the `count`-th request has its log line. */
  readonly finished: (count: number) => Promise<readonly LogFields[]>;
  /** The value of one metric in Prometheus' text form; 0 when it is not there. */
  readonly metric: (nameAndLabels: string) => Promise<number>;
}

export const openAccess: Access = {
  locate: async (_actor, _action, name) => ({ decision: "allowed", name }),
  decide: async () => "allowed",
  explain: async () => {
    throw new Error("not in these tests");
  },
  permittedActions: async (_actor, actions) => actions,
  readableRepositories: async () => ({ kind: "all" }),
  decideOnNamespace: async () => "allowed",
  isAuditor: () => true,
  isAdministrator: () => true,
  changed: () => {},
};

const generousLimits: HttpLimits = {
  maxConnections: 1_000,
  maxRequestsInFlight: 1_000,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 10_000,
};

export type TestServerOptions = Partial<Omit<HttpDeps, "limits" | "endpoints">> & {
  readonly limits?: Partial<HttpLimits>;
};

/** Starts it; it is stopped when the test ends. */
export async function startTestServer(
  context: TestContext,
  endpoints: readonly Endpoint[],
  options: TestServerOptions = {},
): Promise<TestServer> {
  const lines: LogLine[] = [];
  const metrics = new Registry();
  let ids = 0;
  const server = await createHttpServer({
    authenticate: async () => anonymous,
    access: openAccess,
    tokenService: "registry.test",
    publicUrl: undefined,
    trustProxy: false,
    tls: undefined,
    sendfile: "off",
    log: recordingLog(lines, {}),
    metrics,
    clock: systemClock,
    newRequestId: () => {
      ids += 1;
      return `request-${ids}`;
    },
    ...options,
    endpoints,
    limits: { ...generousLimits, ...options.limits },
  });
  const port = await server.listen(0, "127.0.0.1");
  context.after(() => server.drain(0));
  const requestLines = () => lines.filter((line) => line.message === "request").map((line) => line.fields);
  return {
    port,
    server,
    lines,
    async finished(count) {
      await until(() => requestLines().length >= count);
      return requestLines();
    },
    async metric(nameAndLabels) {
      const text = await metrics.metrics();
      const line = text.split("\n").find((candidate) => candidate.startsWith(`${nameAndLabels} `));
      return Number(line?.split(" ").at(-1) ?? 0);
    },
  };
}

/** An endpoint for tests: public, GET, whatever path and handler. */
export function get(
  path: string,
  handle: (call: Call, request: Request) => Promise<Reply>,
  more: Partial<Endpoint> = {},
): Endpoint {
  return { id: "test.get", method: "GET", path, can: { who: "public" }, summary: "A test.", handle, ...more };
}

/** Waits for a condition that the event loop brings about; the test's own time limit ends it. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A bare connection: bytes in, bytes out. */
export interface RawClient {
  readonly socket: Socket;
  /** Everything received so far, as Latin-1, so that one character is one byte. */
  received(): string;
  send(text: string | Uint8Array): void;
  /** Resolves when what was received matches. */
  receive(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when the connection is gone, in order or not, and tells the error code if not. */
  closed(): Promise<string | undefined>;
}

export async function connectRaw(context: TestContext, port: number): Promise<RawClient> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const chunks: string[] = [];
  let failure: string | undefined;
  socket.on("data", (chunk: Buffer) => chunks.push(chunk.toString("latin1")));
  socket.on("error", (error) => {
    failure = "code" in error ? String(error.code) : error.message;
  });
  context.after(() => socket.destroy());
  await once(socket, "connect");
  const received = () => {
    if (chunks.length > 1) chunks.splice(0, chunks.length, chunks.join(""));
    return chunks[0] ?? "";
  };
  return {
    socket,
    received,
    send: (text) => socket.write(text),
    async receive(pattern) {
      for (;;) {
        const match = pattern.exec(received());
        if (match !== null) return match;
        if (socket.destroyed || socket.readableEnded) {
          throw new Error(`the connection ended; received: ${JSON.stringify(received().slice(0, 500))}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
    async closed() {
      await until(() => socket.destroyed || socket.readableEnded);
      return failure;
    },
  };
}

function recordingLog(lines: LogLine[], bound: LogFields): Log {
  const at = (level: LogLine["level"]) => (fields: LogFields, message: string) => {
    lines.push({ level, fields: { ...bound, ...fields }, message });
  };
  return {
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
    child: (fields) => recordingLog(lines, { ...bound, ...fields }),
  };
}
