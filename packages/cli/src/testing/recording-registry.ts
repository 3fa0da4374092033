import { createServer } from "node:http";
import { isObject } from "@entrepot/oci/json-object";

/** A server that has all endpoints of an OpenAPI document, does nothing, and remembers which ones were asked. */
export interface RecordingRegistry {
  readonly host: string;
  /** Ids of the endpoints asked since the last call, in their order; "POST /path" for what is none. */
  take(): readonly string[];
  stop(): Promise<void>;
}

interface Operation {
  readonly id: string;
  readonly method: string;
  readonly pattern: RegExp;
  /** Of two that match, the one with more text of its own is meant. */
  readonly literalLength: number;
}

/** `answers`: what the endpoints of these ids answer; the others an empty object. */
export async function startRecordingRegistry(
  openapi: unknown,
  answers: Readonly<Record<string, object>>,
): Promise<RecordingRegistry> {
  const operations = operationsOf(openapi);
  let asked: string[] = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://unused");
    const [found] = operations
      .filter(({ method, pattern }) => method === request.method && pattern.test(pathname))
      .toSorted((left, right) => right.literalLength - left.literalLength);
    asked.push(found?.id ?? `${request.method ?? ""} ${pathname}`);
    request.resume().on("end", () => {
      const body = JSON.stringify(answers[found?.id ?? ""] ?? {});
      response
        .writeHead(200, { "content-type": "application/json", "set-cookie": "entrepot=x; Path=/" })
        .end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    host: `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    take() {
      const taken = asked;
      asked = [];
      return taken;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Endpoints of the document; a repository's name has slashes, other parameters have none. */
function operationsOf(openapi: unknown): readonly Operation[] {
  const paths = isObject(openapi) && isObject(openapi["paths"]) ? openapi["paths"] : {};
  return Object.entries(paths).flatMap(([path, methods]) => {
    const source = path
      .replaceAll(/[.+*?^$()|[\]\\]/g, "\\$&")
      .replaceAll("{name}", ".+")
      .replaceAll(/\{[^}]+\}/g, "[^/]+");
    const pattern = new RegExp(`^${source}$`);
    const literalLength = path.replaceAll(/\{[^}]+\}/g, "").length;
    return Object.entries(isObject(methods) ? methods : {}).map(([method, operation]) => ({
      id: isObject(operation) ? String(operation["operationId"]) : "",
      method: method.toUpperCase(),
      pattern,
      literalLength,
    }));
  });
}
