import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { IncomingMessage, RequestListener } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { createHttpSender } from "./http-exchange.ts";

describe("createHttpSender", () => {
  it("sends repeated headers as separate lines", async () => {
    const seen = await received({
      method: "GET",
      headers: [
        ["Accept", "a/a"],
        ["Accept", "b/b"],
      ],
    });
    const lines = seen.rawHeaders.flatMap((name, at) => (name === "Accept" ? [seen.rawHeaders[at + 1]] : []));
    assert.deepEqual(lines, ["a/a", "b/b"]);
  });

  it("sends a chunked body without a length", async () => {
    const seen = await received({ method: "PUT", body: Buffer.from("chunked body"), framing: "chunked" });
    assert.equal(seen.headers["transfer-encoding"], "chunked");
    assert.equal(seen.headers["content-length"], undefined);
    assert.equal(seen.text, "chunked body");
  });

  it("sends an empty chunked body", async () => {
    const seen = await received({ method: "PATCH", body: Buffer.alloc(0), framing: "chunked" });
    assert.equal(seen.headers["transfer-encoding"], "chunked");
    assert.equal(seen.text, "");
  });

  it("sends Content-Length: 0 where a body could be, and none with GET, HEAD and DELETE", async () => {
    for (const method of ["POST", "PUT", "PATCH"]) {
      assert.equal((await received({ method })).headers["content-length"], "0");
    }
    for (const method of ["GET", "HEAD", "DELETE"]) {
      const { headers } = await received({ method });
      assert.equal(headers["content-length"] ?? headers["transfer-encoding"], undefined);
    }
  });

  it("fails the case when no reply comes in time", async () => {
    await withServer(
      () => undefined,
      async (url) => {
        const sender = createHttpSender({ requestTimeoutMs: 30, isInsecure: false });
        await assert.rejects(sender.send({ method: "GET", url }), { status: "FAIL", message: /time limit/ });
        sender.close();
      },
    );
  });

  it("fails the case when the connection breaks in the middle of a reply", async () => {
    await withServer(
      (_, response) => {
        response.writeHead(200, { "Content-Length": 10 });
        response.write("half", () => response.destroy());
      },
      async (url) => {
        const sender = createHttpSender({ requestTimeoutMs: 60_000, isInsecure: false });
        await assert.rejects(sender.send({ method: "GET", url }), { status: "FAIL" });
        sender.close();
      },
    );
  });
});

interface Received {
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** What a server sees of a request. */
async function received(
  request: Omit<Parameters<ReturnType<typeof createHttpSender>["send"]>[0], "url">,
): Promise<Received> {
  const seen: Received[] = [];
  await withServer(
    (incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("end", () => {
        const { rawHeaders, headers } = incoming;
        seen.push({ rawHeaders, headers, text: Buffer.concat(chunks).toString() });
        response.end();
      });
    },
    async (url) => {
      const sender = createHttpSender({ requestTimeoutMs: 60_000, isInsecure: false });
      await sender.send({ ...request, url });
      sender.close();
    },
  );
  const [first] = seen;
  assert.ok(first !== undefined);
  return first;
}

async function withServer(listener: RequestListener, use: (url: URL) => Promise<void>): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  // A server that listens on a TCP port has an address of this type; only pipes have text.
  const { port } = server.address() as AddressInfo;
  try {
    await use(new URL(`http://127.0.0.1:${port}/`));
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
