import { parentPort, workerData } from "node:worker_threads";
import koffi from "koffi";
import { headOf } from "./connection.ts";
import type { DiscardOutcome, DiscardShare } from "./discard.ts";

// Linux, <bits/socket.h>.
const AF_INET = 2;
const SOCK_STREAM = 1;
const MSG_TRUNC = 0x20;
const burstBytes = 16_777_216;

const libc = koffi.load(null);
const openSocket = libc.func("int socket(int domain, int type, int protocol)");
const connectSocket = libc.func("int connect(int fd, const uint8_t *address, uint32_t length)");
const sendBytes = libc.func("int64_t send(int fd, const uint8_t *bytes, uint64_t length, int flags)");
const receiveBytes = libc.func("int64_t recv(int fd, _Out_ uint8_t *bytes, uint64_t length, int flags)");
const dropBytes = libc.func("int64_t recv(int fd, void *bytes, uint64_t length, int flags)");

const { job, requests } = workerData as DiscardShare; // as: discard.ts starts this thread with one
const head = Buffer.from(headOf("GET", job.paths[0] ?? "", job.headers));
const headBuffer = Buffer.alloc(65_536);
const fd = connect(job.port);

get();
parentPort?.postMessage("ready");
parentPort?.once("message", () => {
  const latenciesMs: number[] = [];
  let bytes = 0;
  for (let index = 0; index < requests; index++) {
    const before = performance.now();
    bytes += get();
    latenciesMs.push(performance.now() - before);
  }
  const outcome: DiscardOutcome = { latenciesMs, bytes };
  parentPort?.postMessage(outcome);
});

/** One request on the blocking socket; tells the length of the body. */
function get(): number {
  if (Number(sendBytes(fd, head, head.byteLength, 0)) !== head.byteLength)
    throw new Error("the request was not sent");
  let filled = 0;
  let end = -1;
  while (end < 0) {
    const part = headBuffer.subarray(filled);
    const got = Number(receiveBytes(fd, part, part.byteLength, 0));
    if (got <= 0) throw new Error("the server closed the connection");
    filled += got;
    end = headBuffer.subarray(0, filled).indexOf("\r\n\r\n");
  }
  const headers = headBuffer.subarray(0, end).toString("latin1");
  const length = Number(/\r\ncontent-length: *([0-9]+)/i.exec(headers)?.[1]);
  if (!headers.startsWith("HTTP/1.1 200") || !(length >= 0)) throw new Error(`answered ${headers}`);
  for (let left = length - (filled - end - 4); left > 0; ) {
    const dropped = Number(dropBytes(fd, null, Math.min(left, burstBytes), MSG_TRUNC));
    if (dropped <= 0) throw new Error(`the body ended ${left} bytes early`);
    left -= dropped;
  }
  return length;
}

function connect(port: number): number {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  const socket = Number(openSocket(AF_INET, SOCK_STREAM, 0));
  if (socket < 0 || Number(connectSocket(socket, address, address.byteLength)) !== 0)
    throw new Error("cannot connect");
  return socket;
}
