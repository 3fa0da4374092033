/** Buffers for downloads. Large ones are few and used again; when all are out, small ones do, so that many slow clients cost little. */
export interface BufferPool {
  /** A buffer of `largeBytes`, or of `smallBytes` when `maxLarge` large ones are out. Never waits: a slow client must not hold up others. */
  take(): Buffer;
  /** Takes back a buffer that nobody reads or writes any more. */
  giveBack(buffer: Buffer): void;
  /** Forgets a buffer that the socket may still hold: it must not be filled again. */
  drop(buffer: Buffer): void;
  /** Large buffers that are out now. */
  lent(): number;
}

export interface BufferPoolLimits {
  readonly largeBytes: number;
  readonly smallBytes: number;
  /** Large buffers that are out or kept, at most. */
  readonly maxLarge: number;
  /** Large buffers that are kept for the next download. */
  readonly maxKept: number;
}

export function createBufferPool(limits: BufferPoolLimits): BufferPool {
  const kept: Buffer[] = [];
  let lent = 0;

  function comeBack(buffer: Buffer): boolean {
    if (buffer.byteLength !== limits.largeBytes) return false;
    lent -= 1;
    return true;
  }

  return {
    take() {
      if (lent >= limits.maxLarge) return Buffer.allocUnsafeSlow(limits.smallBytes);
      lent += 1;
      return kept.pop() ?? Buffer.allocUnsafeSlow(limits.largeBytes);
    },
    giveBack(buffer) {
      if (comeBack(buffer) && kept.length < limits.maxKept) kept.push(buffer);
    },
    drop(buffer) {
      comeBack(buffer);
    },
    lent: () => lent,
  };
}
