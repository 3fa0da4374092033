import { closeSync } from "node:fs";
import type { Log } from "../../lib/log.ts";

/** What the C library does for senders that Node has no name for. */
export interface KernelCalls {
  /** sendfile(2): bytes that were sent, or a negative errno. `offset` is moved on by the call. */
  readonly sendfile: Sendfile;
  /** dup(2): a number of one's own for what `descriptor` is now, or a negative errno. It is not closed with the other one. */
  readonly duplicate: (descriptor: number) => number;
  /** eventfd(2): becomes readable when eight bytes are written to it, which never waits. A negative errno when there is none to be had. */
  readonly makeEvent: () => number;
}

export type Sendfile = (
  socketFd: number,
  fileFd: number,
  offset: BigInt64Array,
  countBytes: number,
) => number;

/* As Linux numbers them on every processor that Node runs on. */
const nonBlockingAndCloseOnExec = 0o2004000;
const duplicateAndCloseOnExec = 1030;

/** Finds them in the C library; undefined where that cannot be, which is said once. */
export async function loadKernelCalls(log: Log): Promise<KernelCalls | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const { default: koffi } = await import("koffi");
    const library = koffi.load(null);
    const sendfile = library.func(
      "int64_t sendfile(int outFd, int inFd, _Inout_ int64_t *offset, uint64_t count)",
    );
    const duplicate = library.func("int fcntl(int fd, int command, ...)");
    const makeEvent = library.func("int eventfd(unsigned int value, int flags)");
    const told = (answer: unknown): number => {
      const value = Number(answer);
      return value < 0 ? -koffi.errno() : value;
    };
    const calls: KernelCalls = {
      sendfile: (socketFd, fileFd, offset, countBytes) =>
        told(sendfile(socketFd, fileFd, offset, countBytes)),
      duplicate: (descriptor) => told(duplicate(descriptor, duplicateAndCloseOnExec, "int", 3)),
      makeEvent: () => told(makeEvent(0, nonBlockingAndCloseOnExec)),
    };
    // A sandbox may forbid one of them.
    const event = calls.makeEvent();
    if (event < 0) throw new Error(`eventfd failed with errno ${-event}`);
    closeSync(event);
    return calls;
  } catch (error) {
    log.info({ error }, "sendfile is not available; blobs are sent from memory");
    return undefined;
  }
}
