import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientGone } from "./blob-sender.ts";
import { createBufferPool } from "./buffer-pool.ts";
import { createPooledBlobSender } from "./pooled-blob-sender.ts";
import { createTestFile, sha256 } from "./testing/file-reader.ts";
import { serveBlob } from "./testing/serve-blob.ts";
import { connectRaw, until } from "./testing/test-server.ts";

const limit = { timeout: 30_000 };
const limits = { largeBytes: 65_536, smallBytes: 1_024, maxLarge: 3, maxKept: 2 };

test("sends with small buffers when the large ones are out, and gives all back", limit, async (context) => {
  const file = await createTestFile(context, 3_000_000);
  const pool = createBufferPool(limits);
  let mostLent = 0;
  const url = await serveBlob(context, createPooledBlobSender(pool), file, {
    sent: () => {
      mostLent = Math.max(mostLent, pool.lent());
    },
  });
  const wanted = Array.from({ length: 6 }, () => sha256(file.bytes));
  const replies = wanted.map(async () => sha256(new Uint8Array(await (await fetch(url)).arrayBuffer())));
  assert.deepEqual(await Promise.all(replies), wanted);
  assert.equal(mostLent, 3);
  await until(() => pool.lent() === 0);
});

test("ends at once with every buffer accounted for when the request is given up", limit, async (context) => {
  const file = await createTestFile(context, 30_000_000);
  const pool = createBufferPool(limits);
  const abort = new AbortController();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const url = await serveBlob(context, createPooledBlobSender(pool), file, {
    signal: abort.signal,
    ended: resolve,
  });
  const client = await connectRaw(context, Number(new URL(url).port));
  client.socket.pause();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await until(() => pool.lent() === 2);
  abort.abort(new Error("given up"));
  assert.ok((await promise) instanceof ClientGone);
  assert.equal(pool.lent(), 0);
});
