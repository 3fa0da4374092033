import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/** Below the range that the kernel hands out by itself. */
const usual = { first: 20_000, count: 10_000 };

/**
 * The first of so many ports in a row that were free a moment ago, and that no other process of these tests is given as long as this one lives, nor this one again: a server
 * that starts later, or is started again, finds them free.
 */
export async function freePorts(count: number, range = usual): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = range.first + randomInt(range.count - count + 1);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if (await areOurs(ports)) return first;
  }
  throw new Error("no free ports");
}

/** Whether they are free and from now on claimed; all of them or none. */
async function areOurs(ports: readonly number[]): Promise<boolean> {
  const claims: Server[] = [];
  for (const port of ports) {
    const claim = (await isFree(port)) ? await claimOf(port) : undefined;
    if (claim === undefined) {
      for (const each of claims) each.close();
      return false;
    }
    claims.push(claim);
  }
  return true;
}

async function isFree(port: number): Promise<boolean> {
  const server = await listening({ port, host: "127.0.0.1" });
  if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  return server !== undefined;
}

/** An abstract socket is a name that one process has, until it ends in whatever way. Only Linux knows them; elsewhere a port is left to luck. */
async function claimOf(port: number): Promise<Server | undefined> {
  const name = `entrepot-test-port-${port}`;
  return process.platform === "linux" ? listening({ path: `\0${name}` }) : listening({ port: 0 });
}

async function listening(
  at: { readonly port: number; readonly host?: string } | { readonly path: string },
): Promise<Server | undefined> {
  // Neither the tests' end nor anybody's sockets hang on it.
  const server = createServer((socket) => socket.destroy()).unref();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined)).listen(at, () => resolve(server));
  });
}
