import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import { createDeparture, type Departure } from "./departure.ts";

/** The connections of one server: which are open, what is under way on each, and which may be closed. */
export interface Connections {
  /** Open connections, those in the TLS handshake included. */
  count(): number;
  /** Notes a request until its reply is sent or its client gone; tells of the latter. */
  begin(request: IncomingMessage, response: ServerResponse): Departure;
  /** Whether the connection was opened when `maxConnections` were open already. */
  isOver(socket: Socket): boolean;
  /** Whether a reply is under way on the connection, so that nothing else may be written to it. */
  isBusy(socket: Socket): boolean;
  /** Closes connections without a request now, and the others as soon as theirs is answered. */
  closeWhenIdle(): void;
  /** Cuts everything that is open. */
  cutAll(): void;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly departure: { leave(reason: Error): void };
}

interface Session {
  /** In the order of their replies. */
  readonly exchanges: Set<Exchange>;
  readonly isOver: boolean;
}

/**
 * Keeps count of connections and cuts those on which no byte moved for `idleTimeoutMs`, in either direction, unless it is the server's turn: a
 * handler that works long without a byte (it hashes, it waits for the disk) is not the client's fault.
 */
export function trackConnections(
  server: Server | TlsServer,
  options: {
    readonly isTls: boolean;
    readonly idleTimeoutMs: number;
    readonly maxConnections: number;
  },
): Connections {
  // Under TLS there are two sockets for a connection: the raw one, which is there first, and the one that requests come on.
  const raw = new Set<Socket>();
  const sessions = new Map<Socket, Session>();
  let isClosing = false;

  server.on("connection", (socket: Socket) => {
    raw.add(socket);
    socket.once("close", () => raw.delete(socket));
  });
  server.on(options.isTls ? "secureConnection" : "connection", (socket: Socket) => {
    if (isClosing) socket.destroy();
    else openSession(socket);
  });
  server.on("timeout", (socket: Socket) => {
    const [first] = sessions.get(socket)?.exchanges ?? [];
    if (first !== undefined && isServersTurn(first)) socket.setTimeout(options.idleTimeoutMs);
    else socket.destroy();
  });

  function openSession(socket: Socket): Session {
    const exchanges = new Set<Exchange>();
    const session = { exchanges, isOver: sessions.size >= options.maxConnections };
    sessions.set(socket, session);
    socket.once("close", () => {
      sessions.delete(socket);
      // Of several requests in a row only the first has a reply that learns of the close by itself.
      for (const { departure } of exchanges) departure.leave(new Error("the client closed the connection"));
    });
    return session;
  }

  return {
    count: () => raw.size,
    begin(request, response) {
      const { socket } = request;
      const { exchanges } = sessions.get(socket) ?? openSession(socket);
      const departure = createDeparture();
      const exchange = { request, response, departure };
      exchanges.add(exchange);
      response.once("finish", () => {
        exchanges.delete(exchange);
        // Replies that were begun before the drain did not tell the client that the connection closes.
        if (isClosing && exchanges.size === 0) socket.destroySoon();
      });
      return departure;
    },
    isOver: (socket) => sessions.get(socket)?.isOver === true,
    isBusy: (socket) => (sessions.get(socket)?.exchanges.size ?? 0) > 0,
    closeWhenIdle() {
      isClosing = true;
      for (const [socket, { exchanges }] of sessions) if (exchanges.size === 0) socket.destroySoon();
    },
    cutAll() {
      for (const socket of [...sessions.keys(), ...raw]) socket.destroy();
    },
  };
}

/** Whether the client has done its part for now: sent all that is asked of it, and nothing has been sent that it would have to take. */
function isServersTurn({ request, response }: Exchange): boolean {
  if (response.headersSent) return false;
  const isReading = request.readableFlowing === true || request.listenerCount("readable") > 0;
  return request.complete || !isReading;
}
