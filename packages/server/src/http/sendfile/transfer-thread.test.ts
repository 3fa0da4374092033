import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { constants } from "node:os";
import { describe, type TestContext, test } from "node:test";
import { silentLog } from "../../lib/log.ts";
import { createTestFile, sha256 } from "../testing/file-reader.ts";
import { until } from "../testing/test-server.ts";
import { loadKernelCalls } from "./kernel-calls.ts";
import { createTransferThread, storageEnds, type TransferThread } from "./transfer-thread.ts";

const limit = { timeout: 60_000 };
const sizeBytes = 40_000_000;

/** A thread, a file, and any number of connections. */
async function setUp(context: TestContext) {
  const calls = await loadKernelCalls(silentLog);
  assert.ok(calls !== undefined);
  const thread = createTransferThread(calls, silentLog);
  await until(() => thread.isReady());
  const file = await createTestFile(context, sizeBytes);
  const handle = await open(file.path);
  context.after(() => handle.close());
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo; // as: a server that listens on a port has an address of this kind
  return {
    thread,
    file,
    fileFd: handle.fd,
    pair: async (): Promise<{ readonly ours: Socket; readonly theirs: Socket }> => {
      const accepted = once(server, "connection");
      const theirs = connect(port, "127.0.0.1");
      const [ours] = (await accepted) as [Socket]; // as: the event's only argument
      for (const socket of [ours, theirs]) {
        socket.on("error", () => {});
        context.after(() => socket.destroy());
      }
      return { ours, theirs };
    },
  };
}

function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, "_handle");
  assert.ok(typeof handle === "object" && handle !== null && "fd" in handle && typeof handle.fd === "number");
  return handle.fd;
}

/** What the client gets from now on. */
function receive(socket: Socket): { readonly bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { bytes: () => Buffer.concat(chunks) };
}

function send(
  thread: TransferThread,
  part: { readonly socket: Socket; readonly fileFd: number; readonly from?: number; readonly to?: number },
  signal = new AbortController().signal,
) {
  let moved = 0;
  const { from = 0, to = sizeBytes } = part;
  const errno = thread.transfer(
    { socketFd: descriptorOf(part.socket), fileFd: part.fileFd, position: from, end: to },
    { signal, moved: (bytes) => (moved += bytes) },
  );
  return { errno, moved: () => moved };
}

const openDescriptors = () => readdirSync("/proc/self/fd").length;

describe("the thread that sends", {
  skip: process.platform !== "linux" && "sendfile is called on Linux only",
}, () => {
  test(
    "sends parts to many at once, none of whom waits for one that takes nothing",
    limit,
    async (context) => {
      const { thread, file, fileFd, pair } = await setUp(context);
      const stuck = await pair();
      const stuckClient = new AbortController();
      const stuckTransfer = send(thread, { socket: stuck.ours, fileFd }, stuckClient.signal);
      const before = openDescriptors();
      const clients: Awaited<ReturnType<typeof pair>>[] = [];
      while (clients.length < 8) clients.push(await pair());
      await Promise.all(
        clients.map(async ({ ours, theirs }, index) => {
          const received = receive(theirs);
          const [from, to] = [index * 1_000, sizeBytes - index];
          const { errno, moved } = send(thread, { socket: ours, fileFd, from, to });
          assert.equal(await errno, 0);
          assert.equal(moved(), to - from);
          ours.end();
          await once(theirs, "end");
          assert.equal(sha256(received.bytes()), sha256(file.bytes.subarray(from, to)));
        }),
      );
      for (const { theirs } of clients) theirs.destroy();
      await until(() => openDescriptors() <= before);
      // The stuck one's turn ends with its request.
      stuckClient.abort();
      assert.equal(await stuckTransfer.errno, 0);
      assert.ok(stuckTransfer.moved() < sizeBytes);
    },
  );

  test("tells of bytes while they move", limit, async (context) => {
    const { thread, fileFd, pair } = await setUp(context);
    const { ours, theirs } = await pair();
    const { errno, moved } = send(thread, { socket: ours, fileFd });
    let told = 0;
    theirs.pause();
    while (moved() < sizeBytes) {
      theirs.read(1_000_000);
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (moved() > 0 && moved() < sizeBytes) told += 1;
    }
    assert.equal(await errno, 0);
    assert.ok(told > 0);
  });

  test("a file that ends, and clients that have gone, are told", limit, async (context) => {
    const { thread, fileFd, pair } = await setUp(context);
    const first = await pair();
    first.theirs.resume();
    const short = send(thread, { socket: first.ours, fileFd, from: sizeBytes - 10, to: sizeBytes + 1 });
    assert.equal(await short.errno, storageEnds);
    assert.equal(short.moved(), 10);
    const second = await pair();
    const left = send(thread, { socket: second.ours, fileFd });
    second.theirs.resetAndDestroy();
    const { EPIPE, ECONNRESET } = constants.errno;
    assert.ok([EPIPE, ECONNRESET].includes(await left.errno));
  });

  test("goes on with its own connection when the socket's number is another's", limit, async (context) => {
    const { thread, fileFd, pair } = await setUp(context);
    const { ours, theirs } = await pair();
    const client = new AbortController();
    const transfer = send(thread, { socket: ours, fileFd }, client.signal);
    const number = descriptorOf(ours);
    ours.destroy();
    await once(ours, "close");
    // Nobody has told the thread yet, and the number is free.
    const others = [];
    for (let tries = 0; tries < 20; tries += 1) others.push(await pair());
    const other = others.find((candidate) =>
      [candidate.ours, candidate.theirs].some((socket) => descriptorOf(socket) === number),
    );
    assert.ok(other !== undefined, "the number is used again");
    const received = others
      .map((pairOfSockets) => [receive(pairOfSockets.theirs), receive(pairOfSockets.ours)])
      .flat();
    theirs.resume();
    await transfer.errno;
    for (const { bytes } of received) assert.equal(bytes().byteLength, 0);
  });
});
