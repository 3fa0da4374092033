import { createVerify, generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../../lib/clock.ts";

/** A key pair as CloudFront knows it: the public half under an id. */
export interface TestKeyPair {
  readonly id: string;
  readonly privatePem: string;
  readonly publicKey: KeyObject;
}

export function createTestKeyPair(id: string): TestKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { id, privatePem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), publicKey };
}

/** What the CDN fetches from its origin: status, headers to pass on, bytes. */
export type Origin = (
  path: string,
  range: string | undefined,
) => Promise<{
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}>;

export interface CloudFrontDouble {
  /** As clients reach it. */
  readonly origin: string;
  /** Paths that were fetched from the origin: without a query. */
  readonly fetched: readonly string[];
  close(): Promise<void>;
}

/**
 * A distribution that asks for signed addresses of a canned policy and fetches from its origin. Written from CloudFront's documents, from the raw request: not the way
 * that the driver signs.
 */
export async function startCloudFront(
  keys: readonly TestKeyPair[],
  clock: Clock,
  fetchOrigin: Origin,
): Promise<CloudFrontDouble> {
  const fetched: string[] = [];

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = "", headers, method } = request;
    if (method !== "GET" && method !== "HEAD") return refuse(response, "MethodNotAllowed");
    const problem = findProblem(`http://${headers.host}`, url, keys, clock.nowMs());
    if (problem !== undefined) return refuse(response, problem);
    const [path = ""] = url.split("?");
    fetched.push(path);
    const answer = await fetchOrigin(path, headers.range);
    response.writeHead(answer.status, answer.headers).end(answer.bytes);
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.writeHead(502).end(String(error)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    fetched,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function refuse(response: ServerResponse, message: string): void {
  response
    .writeHead(403, { "content-type": "text/xml" })
    .end(`<Error><Code>AccessDenied</Code><Message>${message}</Message></Error>`);
}

/** Why an address is refused; undefined = it is good. Each of the three parameters is there once and last, in whatever order. */
function findProblem(
  origin: string,
  url: string,
  keys: readonly TestKeyPair[],
  nowMs: number,
): string | undefined {
  const [path = "", query = ""] = url.split("?");
  const pairs = query.split("&").map((pair) => pair.split("=", 2));
  const all = (name: string) => pairs.filter(([each]) => each === name).map(([, value = ""]) => value);
  const [expires = "", ...moreExpires] = all("Expires");
  const [signature = "", ...moreSignatures] = all("Signature");
  const [keyPairId, ...moreKeys] = all("Key-Pair-Id");
  if (moreExpires.length + moreSignatures.length + moreKeys.length > 0) return "MultipleParameters";
  const key = keys.find(({ id }) => id === keyPairId);
  if (key === undefined) return "MissingKey";
  if (!/^\d+$/.test(expires) || !/^[A-Za-z0-9~_-]+$/.test(signature)) return "MalformedSignature";
  const others = pairs.filter(([name = ""]) => !["Expires", "Signature", "Key-Pair-Id"].includes(name));
  const rest = others.map((pair) => pair.join("=")).join("&");
  const resource = `${origin}${path}${rest === "" ? "" : `?${rest}`}`;
  const policy = JSON.stringify({
    Statement: [{ Resource: resource, Condition: { DateLessThan: { "AWS:EpochTime": Number(expires) } } }],
  });
  const bytes = Buffer.from(
    signature.replace(/[-_~]/g, (mark) => ({ "-": "+", _: "=", "~": "/" })[mark] ?? ""),
    "base64",
  );
  if (!createVerify("RSA-SHA1").update(policy).verify(key.publicKey, bytes)) return "SignatureMismatch";
  return nowMs / 1_000 < Number(expires) ? undefined : "RequestExpired";
}
