import assert from "node:assert/strict";
import { openSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { silentLog } from "../../lib/log.ts";
import type { BlobSender } from "../blob-sender.ts";
import { createPooledBlobSender } from "../pooled-blob-sender.ts";
import { createTestFile, sha256, type TestFile } from "../testing/file-reader.ts";
import { serveBlob } from "../testing/serve-blob.ts";
import { type KernelCalls, loadKernelCalls, type Sendfile } from "./kernel-calls.ts";
import { createSendfileBlobSender } from "./sendfile-blob-sender.ts";
import { createTransferThread, type TransferThread } from "./transfer-thread.ts";

const options = { timeout: 60_000, skip: process.platform !== "linux" && "sendfile is called on Linux only" };
const pooled = createPooledBlobSender();

async function kernelCalls(): Promise<KernelCalls> {
  const calls = await loadKernelCalls(silentLog);
  assert.ok(calls !== undefined, "this platform has sendfile");
  return calls;
}

async function readyThread(calls: KernelCalls): Promise<TransferThread> {
  const thread = createTransferThread(calls, silentLog);
  while (!thread.isReady()) await delay(5);
  return thread;
}

/** One whose transfers would hang: for what must not get there. */
const unusedThread: TransferThread = {
  isReady: () => true,
  transfer: () => Promise.reject(new Error("nothing was to be asked of the thread")),
};

/** Counts what goes through memory. */
function countingFallback() {
  const counts = { parts: 0, bytes: 0 };
  const sender: BlobSender = {
    send(response, reader, part, transfer) {
      counts.parts += 1;
      counts.bytes += part.lengthBytes;
      return pooled.send(response, reader, part, transfer);
    },
  };
  return { sender, counts };
}

async function assertArrives(
  context: TestContext,
  sender: BlobSender,
  file: Pick<TestFile, "openReader" | "bytes">,
): Promise<void> {
  let sent = 0;
  const url = await serveBlob(context, sender, file, { sent: (bytes) => (sent += bytes) });
  const response = await fetch(url);
  assert.equal(sha256(new Uint8Array(await response.arrayBuffer())), sha256(file.bytes));
  assert.equal(sent, file.bytes.byteLength);
}

test("the thread sends all but the last bytes, for many clients at once", options, async (context) => {
  const calls = await kernelCalls();
  const { sender: fallback, counts } = countingFallback();
  const sender = createSendfileBlobSender(calls.sendfile, await readyThread(calls), fallback);
  const files = await Promise.all(
    [1_048_577, 5_000_000, 12_345_678, 40_000_000].map((size) => createTestFile(context, size)),
  );
  await Promise.all(
    Array.from({ length: 5 }, () => files.map((file) => assertArrives(context, sender, file))).flat(),
  );
  assert.deepEqual(counts, { parts: 20, bytes: 20 * 16_384 });
});

test("what a socket does not take at once goes by the thread", options, async (context) => {
  const file = await createTestFile(context, 1_000_000);
  const calls = await kernelCalls();
  for (const errno of ["EAGAIN", undefined] as const) {
    const little: Sendfile = (socketFd, fileFd, offset, countBytes) =>
      errno === undefined
        ? calls.sendfile(socketFd, fileFd, offset, Math.min(countBytes, 100_000))
        : -constants.errno[errno];
    const { sender: fallback, counts } = countingFallback();
    const sender = createSendfileBlobSender(little, await readyThread(calls), fallback);
    await assertArrives(context, sender, file);
    assert.equal(counts.bytes, 16_384);
  }
});

test("goes on with the fallback where the kernel will not send this file", options, async (context) => {
  const calls = await kernelCalls();
  const small = await createTestFile(context, 1_000_000);
  for (const errno of ["EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM", "EINTR"] as const) {
    const { sender: fallback, counts } = countingFallback();
    const failing: Sendfile = () => -constants.errno[errno];
    await assertArrives(context, createSendfileBlobSender(failing, unusedThread, fallback), small);
    assert.equal(counts.bytes, 1_000_000, errno);
  }
  // A directory is no file that sendfile(2) reads; what `read` reads is there.
  const large = await createTestFile(context, 3_000_000);
  const directory = openSync(tmpdir(), "r");
  const { sender: fallback, counts } = countingFallback();
  const sender = createSendfileBlobSender(calls.sendfile, await readyThread(calls), fallback);
  await assertArrives(context, sender, {
    ...large,
    openReader: async () => ({ ...(await large.openReader()), fileDescriptor: directory }),
  });
  assert.equal(counts.bytes, 3_000_000);
});

test("without a thread, and without a number for it, blobs come from memory", options, async (context) => {
  const file = await createTestFile(context, 3_000_000);
  const calls = await kernelCalls();
  const noEvent = createTransferThread({ ...calls, makeEvent: () => -constants.errno.EMFILE }, silentLog);
  const { sender: fallback, counts } = countingFallback();
  await assertArrives(context, createSendfileBlobSender(calls.sendfile, noEvent, fallback), file);
  const noNumber = await readyThread({ ...calls, duplicate: () => -constants.errno.EMFILE });
  await assertArrives(context, createSendfileBlobSender(calls.sendfile, noNumber, fallback), file);
  assert.deepEqual(counts, { parts: 2, bytes: 6_000_000 });
});

test("leaves to the fallback what is small or has no file", options, async (context) => {
  const calls = await kernelCalls();
  const { sender: fallback, counts } = countingFallback();
  const sender = createSendfileBlobSender(calls.sendfile, unusedThread, fallback);
  await assertArrives(context, sender, await createTestFile(context, 262_143));
  assert.equal(counts.parts, 1);
  const large = await createTestFile(context, 1_500_000);
  await assertArrives(context, sender, {
    ...large,
    openReader: async () => ({ ...(await large.openReader()), fileDescriptor: undefined }),
  });
  assert.equal(counts.parts, 2);
});
