// Plain JavaScript: the thread loads this file as it is, from the sources and from the built program alike.
import { readSync } from "node:fs";
import { constants } from "node:os";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import koffi from "koffi";

/*
 * A loop of poll(2) and sendfile(2) over all transfers that are under way, as the event loop of a web server in C has it: a turn of Node's own loop for each
 * megabyte costs as much as a third of sending it. What it is told comes by messages, and an event wakes it that it may be waiting for clients.
 */

const { wakeFd } = workerData;
const library = koffi.load(null);
const sendfile = library.func("int64_t sendfile(int outFd, int inFd, void *offset, uint64_t count)");
const poll = library.func("int poll(void *descriptors, unsigned long count, int timeoutMs)");

const [readable, writable] = [1, 4];
/** One transfer's share before it is the next one's turn. */
const burstBytes = 1_048_576;
/** How long it waits for clients at most: when the process ends it must end, too. */
const waitMs = 200;
const tellEveryMs = 200;
const storageEnds = -1;

let transfers = [];
/** struct pollfd: the descriptor, then what is asked (low half) and what is answered (high half). The event, then the transfers. */
let polled = new Int32Array(2);
const woken = Buffer.alloc(8);

function take(message) {
  if (message === undefined) parentPort.close();
  else if (message.cancel === undefined)
    transfers.push({
      ...message,
      at: new BigInt64Array([BigInt(message.position)]),
      toldMs: performance.now(),
    });
  else {
    const transfer = transfers.find(({ id }) => id === message.cancel);
    if (transfer !== undefined) end(transfer, 0);
  }
}

function end(transfer, errno) {
  transfers = transfers.filter((other) => other !== transfer);
  parentPort.postMessage({ id: transfer.id, position: Number(transfer.at[0]), errno });
}

/** Sends its share, or as much as the socket takes; 0, a failure's errno or `storageEnds`. */
function burst({ socketFd, fileFd, at, end: last }) {
  const stop = Math.min(last, Number(at[0]) + burstBytes);
  for (let position = Number(at[0]); position < stop; position = Number(at[0])) {
    const sent = Number(sendfile(socketFd, fileFd, at, stop - position));
    if (sent > 0) continue;
    if (sent === 0) return storageEnds;
    const errno = koffi.errno();
    if (errno === constants.errno.EAGAIN) return 0;
    if (errno !== constants.errno.EINTR) return errno;
  }
  return 0;
}

function work(transfer, nowMs) {
  const failure = burst(transfer);
  if (failure !== 0 || Number(transfer.at[0]) >= transfer.end) end(transfer, failure);
  else if (nowMs - transfer.toldMs >= tellEveryMs) {
    transfer.toldMs = nowMs;
    parentPort.postMessage({ id: transfer.id, position: Number(transfer.at[0]) });
  }
}

function run() {
  let listed;
  while (transfers.length > 0) {
    if (listed !== transfers || polled.length !== 2 * (transfers.length + 1)) {
      listed = transfers;
      polled = Int32Array.from([
        wakeFd,
        readable,
        ...transfers.flatMap(({ socketFd }) => [socketFd, writable]),
      ]);
    }
    // Nothing to do, or a signal came: then the answers are those of the last time.
    if (poll(polled, polled.length / 2, waitMs) <= 0) continue;
    const nowMs = performance.now();
    for (const [index, transfer] of listed.entries()) {
      if (polled[2 * index + 3] >> 16 !== 0) work(transfer, nowMs);
    }
    if (polled[1] >> 16 === 0) continue;
    readSync(wakeFd, woken, 0, 8, null);
    for (
      let next = receiveMessageOnPort(parentPort);
      next !== undefined;
      next = receiveMessageOnPort(parentPort)
    )
      take(next.message);
  }
}

parentPort.on("message", (message) => {
  take(message);
  run();
});
parentPort.postMessage("ready");
