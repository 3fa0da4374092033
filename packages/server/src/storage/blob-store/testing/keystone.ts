import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { ObjectServer } from "./start-object-server.ts";

/**
 * A double of Keystone's sign-in (identity API v3) in front of a real Swift with TempAuth: it checks the request as Keystone does, hands out Swift's own token,
 * and names Swift in its catalogue. Also the way to Swift, so that it can end tokens.
 */
export async function startKeystone(swift: ObjectServer) {
  const signIns: object[] = [];
  let ended = new Set<string>();
  const given = new Set<string>();

  const server = createServer((request, response) => {
    void (async () => {
      const path = request.url ?? "";
      if (path !== "/v3/auth/tokens") {
        const token = String(request.headers["x-auth-token"]);
        if (ended.has(token)) {
          request.resume();
          response.writeHead(401).end();
          return;
        }
        const chunks: Buffer[] = [];
        for await (const chunk of request) if (chunk instanceof Buffer) chunks.push(chunk);
        const { host: _, connection: __, "transfer-encoding": ___, ...headers } = request.headers;
        const answer = await fetch(swift.origin + path, {
          method: request.method ?? "GET",
          // as: these headers have one value each
          headers: { ...(headers as Record<string, string>), "x-auth-token": realOf(token) },
          ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
        });
        const body = Buffer.from(await answer.arrayBuffer());
        const kept = [...answer.headers].filter(
          ([name]) => !["connection", "transfer-encoding"].includes(name),
        );
        response.writeHead(answer.status, Object.fromEntries(kept)).end(body);
        return;
      }
      const { auth } = JSON.parse(await text(request));
      const { user } = auth.identity.password;
      if (user.name !== swift.keys.accessKey || user.password !== swift.keys.secretKey) {
        response.writeHead(401).end();
        return;
      }
      const { project } = auth.scope;
      signIns.push({
        user: user.name,
        userDomain: user.domain.name,
        project: project.name,
        projectDomain: project.domain.name,
      });
      const first = await fetch(`${swift.origin}/auth/v1.0`, {
        headers: { "x-auth-user": swift.keys.accessKey, "x-auth-key": swift.keys.secretKey },
      });
      const account = new URL(first.headers.get("x-storage-url") ?? "").pathname;
      // TempAuth gives the same token again; a new sign-in must give another.
      const token = `${signIns.length}.${first.headers.get("x-auth-token")}`;
      given.add(token);
      const endpoint = (region: string, at: string) => ({
        interface: "public",
        region,
        region_id: region,
        url: at,
      });
      const endpoints = [
        endpoint("elsewhere", "http://127.0.0.1:9/"),
        endpoint("here", `${origin}${account}/`),
      ];
      const catalog = [
        { type: "identity", endpoints: [] },
        { type: "object-store", endpoints },
      ];
      response
        .writeHead(201, { "x-subject-token": token, "content-type": "application/json" })
        .end(JSON.stringify({ token: { catalog } }));
    })().catch(() => request.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    signIns,
    /** Every token given so far is good no more. */
    endTokens: () => {
      ended = new Set(given);
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function realOf(token: string): string {
  return token.slice(token.indexOf(".") + 1);
}
