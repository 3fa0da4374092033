import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A cable between an instance and what it depends on, that a test can cut. */
export interface Relay {
  readonly port: number;
  /** From now on no byte passes, and nobody is told: connections stay open, new ones are taken and lead nowhere. As when packets are dropped. */
  cut(): void;
  /** Everything that waited passes. */
  mend(): void;
  close(): Promise<void>;
}

/** Relays to a TCP address, or to a socket in the file system. */
export async function startRelay(
  target: { readonly host: string; readonly port: number } | { readonly path: string },
  address = "127.0.0.1",
): Promise<Relay> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const waiting = new Set<Socket>();
  let isCut = false;

  function join(near: Socket): void {
    const far = connect(target);
    const pair = [near, far] as const;
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const [from, to] of [pair, [far, near]] as const) {
      from.on("data", (chunk: Buffer) => {
        if (!to.write(chunk) && !isCut) {
          from.pause();
          to.once("drain", () => isCut || from.resume());
        }
      });
      // A cable that is cut carries no farewell either.
      from
        .on("end", () => isCut || end())
        .on("error", end)
        .on("close", () => isCut || end());
    }
    near.resume();
  }

  const server = createServer({ pauseOnConnect: true }, (near) => {
    near.on("error", () => near.destroy());
    if (isCut) waiting.add(near);
    else join(near);
  });
  server.listen(0, address);
  await once(server, "listening");
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  return {
    port,
    cut() {
      isCut = true;
      for (const pair of pairs) for (const socket of pair) socket.pause();
    },
    mend() {
      isCut = false;
      for (const pair of pairs) {
        for (const socket of pair) socket.resume();
        if (pair.some((socket) => socket.destroyed)) for (const socket of pair) socket.destroy();
      }
      for (const near of waiting) join(near);
      waiting.clear();
    },
    async close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      for (const near of waiting) near.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
