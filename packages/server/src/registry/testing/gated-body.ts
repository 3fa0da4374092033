import { Readable } from "node:stream";

/** A body whose bytes come when the test says so, as from a slow client. */
export interface GatedBody {
  readonly stream: Readable;
  /** Sends bytes and resolves when somebody has taken them. */
  send(bytes: Uint8Array): Promise<void>;
  end(): void;
}

export function gatedBody(): GatedBody {
  const stream = new Readable({ read() {} });
  return {
    stream,
    async send(bytes) {
      stream.push(bytes);
      while (stream.readableLength > 0) await new Promise((resolve) => setImmediate(resolve));
    },
    end: () => void stream.push(null),
  };
}
