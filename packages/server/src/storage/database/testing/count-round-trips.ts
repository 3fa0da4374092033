import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { parseIntoClientConfig } from "pg-connection-string";

/** Counts on the wire, so that nothing the program believes of itself is part of the figure. */
export interface RoundTrips {
  /** The same database, through the counter. */
  readonly url: string;
  /** How often a client has spoken after it was answered, on all connections but those that listen for notices. */
  readonly count: () => number;
  close(): Promise<void>;
}

/**
 * Stands between a PostgreSQL client and its server. What a client sends before it hears an answer is one round trip, however many statements are
 * in it. The making of a connection counts too: measure when it has been made. With `delayMs` each answer comes that much later, as from a server
 * that is so far away.
 */
export async function countRoundTrips(url: string, delayMs = 0): Promise<RoundTrips> {
  const { host = "", port = 5432 } = parseIntoClientConfig(url);
  const sockets = new Set<Socket>();
  let finished = 0;
  const counts = new Map<Socket, number>();

  const server = createServer((client) => {
    const upstream = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(Number(port), host);
    client.setNoDelay(true);
    let isAnswered = true;
    let listens = false;
    client.on("data", (bytes) => {
      listens ||= bytes.subarray(0, 100).includes("listen ");
      if (isAnswered && !listens) counts.set(client, (counts.get(client) ?? 0) + 1);
      if (listens) counts.delete(client);
      isAnswered = false;
      upstream.write(bytes);
    });
    const answer = (bytes: Buffer): void => {
      isAnswered = true;
      client.write(bytes);
    };
    // Timers of one length end in the order in which they began.
    upstream.on("data", (bytes) => (delayMs === 0 ? answer(bytes) : setTimeout(answer, delayMs, bytes)));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        finished += counts.get(one) ?? 0;
        counts.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the counter has no port");

  return {
    url: through(url, address.port),
    count: () => finished + [...counts.values()].reduce((sum, each) => sum + each, 0),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function through(url: string, port: number): string {
  const { user, database, password } = parseIntoClientConfig(url);
  const secret = typeof password === "string" ? `:${encodeURIComponent(password)}` : "";
  return `postgres://${encodeURIComponent(user ?? "")}${secret}@127.0.0.1:${port}/${encodeURIComponent(database ?? "")}`;
}
