import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { listen } from "./start-oidc.ts";

export interface DoubleRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly header: (name: string) => string | undefined;
  readonly body: string;
}

export interface DoubleReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

/** A stand-in for a service that cannot run here: answers as its documentation says. The origin, and what it was asked. */
export async function serveDouble(
  t: TestContext,
  answer: (request: DoubleRequest) => DoubleReply | Promise<DoubleReply>,
): Promise<{ readonly origin: string; readonly asked: DoubleRequest[] }> {
  const asked: DoubleRequest[] = [];
  const origin = await listen(t, (incoming, response) => {
    const work = async () => {
      const url = new URL(incoming.url ?? "/", "http://double");
      const request: DoubleRequest = {
        method: incoming.method ?? "GET",
        path: url.pathname,
        query: url.searchParams,
        header: (name) => [incoming.headers[name]].flat()[0],
        body: await text(incoming),
      };
      asked.push(request);
      const { status, headers, json } = await answer(request);
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(json === undefined ? undefined : JSON.stringify(json));
    };
    work().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  return { origin, asked };
}
