import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { silentLog } from "../lib/log.ts";
import type { BlobSender } from "./blob-sender.ts";
import { createPooledBlobSender } from "./pooled-blob-sender.ts";
import { createSendfileBlobSender, loadSendfile, type Sendfile } from "./sendfile-blob-sender.ts";
import { createTestFile, sha256 } from "./testing/file-reader.ts";
import { serveBlob } from "./testing/serve-blob.ts";

const options = { timeout: 30_000, skip: process.platform !== "linux" && "sendfile is called on Linux only" };

async function realSendfile(): Promise<Sendfile> {
  const sendfile = await loadSendfile(silentLog);
  assert.ok(sendfile !== undefined, "this platform has sendfile");
  return sendfile;
}

test("goes on with the fallback where the kernel will not send this file", options, async (context) => {
  const file = await createTestFile(context, 8_000_000);
  const real = await realSendfile();
  for (const errno of ["EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM"] as const) {
    let calls = 0;
    const failing: Sendfile = (socketFd, fileFd, offset, countBytes) => {
      calls += 1;
      // Part of the bytes are out already when it fails.
      return calls > 1
        ? -constants.errno[errno]
        : real(socketFd, fileFd, offset, Math.min(countBytes, 100_000));
    };
    const sender = createSendfileBlobSender(failing, createPooledBlobSender());
    const response = await fetch(await serveBlob(context, sender, file));
    assert.equal(sha256(new Uint8Array(await response.arrayBuffer())), sha256(file.bytes), errno);
    assert.equal(calls, 2);
  }
});

test("survives interruptions and tiny steps", options, async (context) => {
  const file = await createTestFile(context, 1_000_000);
  const real = await realSendfile();
  let calls = 0;
  const stuttering: Sendfile = (socketFd, fileFd, offset, countBytes) => {
    calls += 1;
    if (calls % 5 === 0) return -constants.errno.EINTR;
    if (calls % 7 === 0) return -constants.errno.EAGAIN;
    return real(socketFd, fileFd, offset, Math.min(countBytes, 30_011));
  };
  const sender = createSendfileBlobSender(stuttering, createPooledBlobSender());
  const response = await fetch(await serveBlob(context, sender, file));
  assert.equal(sha256(new Uint8Array(await response.arrayBuffer())), sha256(file.bytes));
  assert.ok(calls > 10);
});

test("leaves to the fallback what is small or has no file", options, async (context) => {
  const real = await realSendfile();
  let sentByFallback = 0;
  const pooled = createPooledBlobSender();
  const counting: BlobSender = {
    send(response, reader, part, transfer) {
      sentByFallback += 1;
      return pooled.send(response, reader, part, transfer);
    },
  };
  const sender = createSendfileBlobSender(real, counting);
  const small = await createTestFile(context, 262_143);
  await (await fetch(await serveBlob(context, sender, small))).arrayBuffer();
  assert.equal(sentByFallback, 1);
  const large = await createTestFile(context, 1_000_000);
  const noFile = {
    ...large,
    openReader: async () => ({ ...(await large.openReader()), fileDescriptor: undefined }),
  };
  const response = await fetch(await serveBlob(context, sender, noFile));
  assert.equal(sha256(new Uint8Array(await response.arrayBuffer())), sha256(large.bytes));
  assert.equal(sentByFallback, 2);
});
