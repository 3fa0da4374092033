import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { AccessMode, Credentials } from "../access.ts";
import { createRegistryHandler } from "./registry-handler.ts";
import type { Handler, RegistryReply, RegistryRequest } from "./registry-message.ts";
import { requireAccess } from "./require-access.ts";

/** Stands between the server and the registry: may change requests and replies, or answer itself. */
export type Sabotage = (request: RegistryRequest, next: Handler) => RegistryReply;

export interface ReferenceRegistryOptions {
  /** Default: anonymous. */
  readonly access?: AccessMode;
  /** What `basic` and `bearer` expect. */
  readonly credentials?: Credentials;
  /** Default: none. */
  readonly sabotage?: Sabotage;
}

export interface ReferenceRegistry {
  /** `http://127.0.0.1:<port>` */
  readonly address: string;
  close(): Promise<void>;
}

/** Starts an empty registry in memory on a free port of the loopback interface. It obeys every rule the suite checks. */
export async function startReferenceRegistry(
  options: ReferenceRegistryOptions = {},
): Promise<ReferenceRegistry> {
  const { access = "anonymous", credentials = { username: "user", password: "password" } } = options;
  const registry = createRegistryHandler();
  const { sabotage } = options;
  const sabotaged: Handler = sabotage === undefined ? registry : (request) => sabotage(request, registry);
  const handler = requireAccess(access, credentials, sabotaged);
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => answer(handler, incoming, Buffer.concat(chunks), outgoing));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  // A server that listens on a TCP port has an address of this type; only pipes have text.
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(handler: Handler, incoming: IncomingMessage, body: Buffer, outgoing: ServerResponse): void {
  const url = new URL(incoming.url ?? "/", "http://registry");
  const { method = "GET", headers } = incoming;
  const reply = handler({ method, path: url.pathname, query: url.searchParams, headers, body });
  const content = reply.body ?? Buffer.alloc(0);
  if (reply.status !== 204) outgoing.setHeader("Content-Length", content.length);
  for (const [name, value] of Object.entries(reply.headers ?? {})) outgoing.setHeader(name, value);
  outgoing.writeHead(reply.status);
  outgoing.end(method === "HEAD" ? undefined : content);
}
