import type { Server } from "node:net";
import { AppError } from "../lib/app-error.ts";

/**
 * Begins to listen and tells the port. `::` takes every interface; where there is no IPv6, IPv4 alone. Throws `CONFLICT` for a port that another program has, and
 * `REQUEST_INVALID` for one that this user may not have or an address that is none of this machine.
 */
export async function listenOn(server: Server, port: number, host: string): Promise<number> {
  try {
    return await listen(server, port, host);
  } catch (error) {
    // A kernel without IPv6 has no such addresses; one in which it is switched off has none to give.
    if (host === "::" && ["EAFNOSUPPORT", "EADDRNOTAVAIL"].includes(codeOf(error))) {
      return listenOn(server, port, "0.0.0.0");
    }
    throw told(error, port, host);
  }
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, backlog: 1_024 }, () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

function told(cause: unknown, port: number, host: string): unknown {
  switch (codeOf(cause)) {
    case "EADDRINUSE":
      return new AppError(
        "CONFLICT",
        `port ${port} is in use: stop the program that listens there, or choose another port with ENTREPOT_PORT`,
        { cause },
      );
    case "EACCES":
      return new AppError(
        "REQUEST_INVALID",
        `this user may not listen on port ${port}: choose one above 1023 with ENTREPOT_PORT`,
        { cause },
      );
    case "EADDRNOTAVAIL":
      return new AppError("REQUEST_INVALID", `${host} is no address of this machine (ENTREPOT_HOST)`, {
        cause,
      });
    default:
      return cause;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
