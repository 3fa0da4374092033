import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type BlobSender, ClientGone } from "../blob-sender.ts";
import type { TestFile } from "./file-reader.ts";

export interface ServeOptions {
  readonly signal?: AbortSignal;
  readonly sent?: (bytes: number) => void;
  /** Told how each transfer ended: undefined or what it threw. */
  readonly ended?: (outcome: unknown) => void;
}

/** A bare server around one sender, without the rest of this folder; tells its address. */
export async function serveBlob(
  context: TestContext,
  sender: BlobSender,
  file: Pick<TestFile, "openReader">,
  options: ServeOptions = {},
): Promise<string> {
  async function answer(response: ServerResponse): Promise<void> {
    const reader = await file.openReader();
    const transfer = {
      signal: options.signal ?? new AbortController().signal,
      sent: options.sent ?? (() => {}),
    };
    try {
      response.writeHead(200, { "content-length": reader.sizeBytes });
      await sender.send(response, reader, { start: 0, lengthBytes: reader.sizeBytes }, transfer);
      response.end();
      options.ended?.(undefined);
    } catch (error) {
      response.destroy();
      options.ended?.(error);
      if (!(error instanceof ClientGone)) throw error;
    } finally {
      await reader.close();
    }
  }
  const server = createServer((_request, response) => void answer(response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  // as: a server that listens on a port has an address of this kind
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
