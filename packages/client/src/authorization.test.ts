import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterEach, describe, it } from "node:test";
import { parseDigest } from "@entrepot/oci/digest";
import { parseReference } from "@entrepot/oci/reference";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import type { Credentials } from "./credentials.ts";
import { createRegistryClient, type RegistryClient } from "./registry-client.ts";

const repository = parseRepositoryName("team/app");
const tag = parseReference("1");
const manifest = '{"schemaVersion":2}';
const retry = { attempts: 1, firstDelayMs: 1, maxDelayMs: 1 };
const anna: Credentials = { kind: "password", username: "anna", password: "secret-word" };
const basicAnna = `Basic ${Buffer.from("anna:secret-word").toString("base64")}`;

// These servers answer what a protocol case needs and no real registry can be made to answer.
describe("authorization", () => {
  const servers: Server[] = [];
  const clients: RegistryClient[] = [];

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function serve(
    answer: (request: IncomingMessage, reply: ServerResponse, body: string) => void,
  ): Promise<string> {
    const server = createServer((request, reply) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      request.on("end", () => answer(request, reply, body));
    }).listen(0, "127.0.0.1");
    servers.push(server);
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return `http://127.0.0.1:${address.port}`;
  }

  function connect(origin: string, credentials?: Credentials): RegistryClient {
    const client = createRegistryClient({ origin, retry, ...(credentials && { credentials }) });
    clients.push(client);
    return client;
  }

  /** A registry that takes any token its service gives out; `log` gets `METHOD path authorization` of both. */
  async function bearerRegistry(
    log: string[],
    token: (request: IncomingMessage, reply: ServerResponse, body: string) => void,
  ): Promise<string> {
    const origin = await serve((request, reply, body) => {
      const { method, url = "", headers } = request;
      log.push(`${method} ${url} ${headers.authorization ?? "-"}`);
      if (url.startsWith("/token")) return token(request, reply, body);
      if (headers.authorization?.startsWith("Bearer good") !== true) {
        const scope = url === "/v2/" ? "" : ',scope="repository:team/app:pull"';
        reply.writeHead(401, {
          "www-authenticate": `Bearer realm="http://${headers.host}/token",service="test"${scope}`,
        });
        return reply.end();
      }
      return reply.writeHead(200, { "content-type": "application/json" }).end(manifest);
    });
    return origin;
  }

  it("fetches a token once for requests of one scope, at the same time and after each other", async () => {
    const log: string[] = [];
    const origin = await bearerRegistry(log, (_request, reply) =>
      reply.end('{"token":"good","expires_in":300}'),
    );
    const client = connect(origin, anna);
    await client.getManifest({ repository, reference: tag });
    await Promise.all([1, 2, 3].map(async () => client.getManifest({ repository, reference: tag })));
    const tokens = log.filter((line) => line.includes("/token"));
    assert.equal(tokens.length, 1);
    assert.equal(tokens[0]?.endsWith(basicAnna), true);
    assert.match(tokens[0] ?? "", /service=test&scope=repository%3Ateam%2Fapp%3Apull/);
    // The password goes to the token service alone.
    assert.equal(
      log.some((line) => line.includes("/v2/") && line.includes("Basic")),
      false,
    );
  });

  it("fetches another token when the registry refuses the one it has", async () => {
    const log: string[] = [];
    let given = 0;
    let revoked = false;
    const origin = await serve((request, reply) => {
      const { url = "", headers } = request;
      log.push(url);
      if (url.startsWith("/token"))
        return reply.end(JSON.stringify({ token: `good${++given}`, expires_in: 300 }));
      const isGood = headers.authorization === `Bearer good${given}` && !revoked;
      if (isGood) return reply.writeHead(200, { "content-type": "application/json" }).end(manifest);
      revoked = false;
      return reply
        .writeHead(401, { "www-authenticate": `Bearer realm="http://${headers.host}/token",service="test"` })
        .end();
    });
    const client = connect(origin, anna);
    await client.getManifest({ repository, reference: tag });
    revoked = true;
    await client.getManifest({ repository, reference: tag });
    assert.equal(given, 2);
  });

  it("gives up when a fresh token is refused, too", async () => {
    const log: string[] = [];
    const origin = await bearerRegistry(log, (_request, reply) => reply.end('{"token":"bad"}'));
    await assert.rejects(connect(origin, anna).ping(), { name: "RegistryError", status: 401 });
    assert.equal(log.filter((line) => line.includes("/v2/")).length, 2);
  });

  it("falls back to the OAuth2 form where GET is not offered", async () => {
    const forms: string[] = [];
    const origin = await bearerRegistry([], (request, reply, body) => {
      if (request.method === "GET") return reply.writeHead(405).end();
      forms.push(body);
      return reply.end('{"access_token":"good"}');
    });
    await connect(origin, anna).getManifest({ repository, reference: tag });
    const form = new URLSearchParams(forms[0]);
    assert.deepEqual(
      ["grant_type", "username", "password", "service", "scope"].map((name) => form.get(name)),
      ["password", "anna", "secret-word", "test", "repository:team/app:pull"],
    );
  });

  it("sends a refresh token to the token service only", async () => {
    const log: string[] = [];
    const forms: string[] = [];
    const origin = await bearerRegistry(log, (_request, reply, body) => {
      forms.push(body);
      return reply.end('{"access_token":"good"}');
    });
    await connect(origin, { kind: "refresh-token", token: "refresh-me" }).ping();
    assert.equal(new URLSearchParams(forms[0]).get("refresh_token"), "refresh-me");
    assert.equal(
      log.some((line) => line.includes("refresh-me")),
      false,
    );
  });

  it("tells that a token service refused the password, without the password", async () => {
    const origin = await bearerRegistry([], (_request, reply) => reply.writeHead(401).end());
    await assert.rejects(connect(origin, anna).ping(), (error: unknown) => {
      assert.match(String(error), /cannot get a token at .*: it wants other credentials \(401\)/);
      assert.equal(String(error).includes("secret-word"), false);
      return true;
    });
  });

  it("answers a Basic challenge, and sends no password before one", async () => {
    const seen: (string | undefined)[] = [];
    const origin = await serve((request, reply) => {
      seen.push(request.headers.authorization);
      if (request.headers.authorization === basicAnna) return reply.end("{}");
      return reply.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
    });
    await connect(origin, anna).ping();
    assert.deepEqual(seen, [undefined, basicAnna]);
  });

  it("does not send Authorization to the host that a redirect leads to", async () => {
    const elsewhere: IncomingMessage["headers"][] = [];
    const storage = await serve((request, reply) => {
      elsewhere.push(request.headers);
      reply.end(manifest);
    });
    const origin = await serve((request, reply) => {
      if (request.headers.authorization !== basicAnna) {
        return reply.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
      }
      return reply.writeHead(307, { location: `${storage}/signed` }).end();
    });
    const digest = parseDigest("sha256:5e31b8b1b1b7cb8a4dd7f0e5b7fd1d1a0a1cbf8d8e9b8a6a5d9c0e7c7d3b2a10");
    const { chunks } = await connect(origin, anna).getBlob({ repository, digest });
    await assert.rejects(
      chunks.next().then(async () => chunks.next()),
      { code: "DIGEST_INVALID" },
    );
    assert.equal(elsewhere.length, 1);
    assert.equal(elsewhere[0]?.authorization, undefined);
  });

  it("ends a circle of redirects", async () => {
    const origin = await serve((request, reply) =>
      reply.writeHead(307, { location: request.url ?? "" }).end(),
    );
    await assert.rejects(connect(origin).ping(), /redirects without end/);
  });
});
