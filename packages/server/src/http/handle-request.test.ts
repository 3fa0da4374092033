import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import { test } from "node:test";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { Type } from "typebox";
import type { Access, Decision } from "../access/access.ts";
import { type Actor, anonymous, type UserActor } from "../access/actor.ts";
import { AppError } from "../lib/app-error.ts";
import type { Endpoint, Permission } from "./endpoint.ts";
import {
  connectRaw,
  get,
  openAccess,
  startTestServer,
  type TestServerOptions,
} from "./testing/test-server.ts";

const limit = { timeout: 20_000 };
const alice: UserActor = {
  kind: "user",
  account: "person",
  userId: 1,
  username: "alice",
  isAdmin: false,
  isAuditor: false,
  credential: "password",
  accessTokenId: undefined,
  limits: undefined,
  credentialScopes: undefined,
};
const reply = async () => ({ status: 200, body: { kind: "text", text: "fine" } }) as const;

/** Whoever sends "Bearer good" or "Basic good" is alice; other credentials are wrong. */
const authenticate = async (headers: IncomingHttpHeaders): Promise<Actor> => {
  if (headers.authorization === undefined) return anonymous;
  if (headers.authorization.endsWith(" good")) return alice;
  throw new AppError("UNAUTHORIZED", "wrong credentials");
};

function guarded(path: string, can: Permission, more: Partial<Endpoint> = {}): Endpoint {
  return get(path, reply, { can, ...more });
}

function deciding(decision: Decision, more: Partial<Access> = {}): TestServerOptions {
  return {
    authenticate,
    access: { ...openAccess, locate: async (_actor, _action, name) => ({ decision, name }), ...more },
  };
}

test("every reply has the headers that do not depend on its handler", limit, async (context) => {
  const { port } = await startTestServer(context, [get("/v2/", reply), get("/health/x", reply)]);
  const base = `http://127.0.0.1:${port}`;
  for (const [path, version] of [
    ["/v2/", "registry/2.0"],
    ["/v2/nothing", "registry/2.0"],
    ["/health/x", null],
    ["/v2x", null],
  ] as const) {
    const { headers } = await fetch(base + path);
    assert.equal(headers.get("docker-distribution-api-version"), version, path);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.match(headers.get("x-request-id") ?? "", /^request-\d+$/);
    assert.equal(headers.get("strict-transport-security"), null);
  }
});

test("takes a client's request id only when it is harmless in a log", limit, async (context) => {
  const { port, finished } = await startTestServer(context, [get("/v2/", reply)]);
  const ids = ["abc-1.2_3", "a b", 'a"b', "a".repeat(65), "ü", "\u001b[31m"];
  for (const id of ids) {
    const client = await connectRaw(context, port);
    client.send(
      Buffer.from(`GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${id}\r\nConnection: close\r\n\r\n`),
    );
    await client.closed();
  }
  const shown = (await finished(5)).map((line) => String(line["requestId"]));
  assert.equal(shown[0], "abc-1.2_3");
  for (const id of shown.slice(1)) assert.match(id, /^request-\d+$/);
});

test("writes one line for each request, without the query", limit, async (context) => {
  const { port, finished, lines } = await startTestServer(
    context,
    [guarded("/v2/{name}/tags/list", { who: "repository", action: "pull" })],
    deciding("allowed"),
  );
  const headers = { authorization: "Basic good", "user-agent": "u".repeat(500) };
  await fetch(`http://127.0.0.1:${port}/v2/a/b/tags/list?token=secret`, { headers });
  await fetch(`http://127.0.0.1:${port}/v2/nothing/at%0aall`, { headers });
  const [first, second] = await finished(2);
  assert.ok(typeof first?.["durationMs"] === "number" && first["durationMs"] >= 0);
  assert.deepEqual(
    { ...first, durationMs: 0 },
    {
      requestId: "request-1",
      method: "GET",
      path: "/v2/a/b/tags/list",
      endpoint: "test.get",
      status: 200,
      durationMs: 0,
      actor: "alice",
      remoteAddress: "127.0.0.1",
      userAgent: "u".repeat(200),
      bytesIn: 0,
      bytesOut: 4,
      repository: "a/b",
    },
  );
  assert.equal(second?.["code"], "NOT_FOUND");
  assert.equal(second?.["path"], "/v2/nothing/at%0aall");
  assert.doesNotMatch(JSON.stringify(lines), /secret|Basic/);
});

test(
  "counts by endpoint, method and class of status, never by what clients make up",
  limit,
  async (context) => {
    const { port, metric, finished } = await startTestServer(context, [get("/v2/", reply)]);
    await fetch(`http://127.0.0.1:${port}/v2/`);
    for (const method of ["PROPFIND", "PURGE"])
      await fetch(`http://127.0.0.1:${port}/x/${method}`, { method });
    await finished(3);
    const total = "entrepot_http_requests_total";
    assert.equal(await metric(`${total}{endpoint="test.get",method="GET",status="2xx"}`), 1);
    assert.equal(await metric(`${total}{endpoint="none",method="OTHER",status="4xx"}`), 2);
    assert.equal(await metric('entrepot_http_request_duration_seconds_count{endpoint="test.get"}'), 1);
    assert.equal(await metric("entrepot_http_requests_in_flight"), 0);
  },
);

test("knows a path without the method from one that is not there", limit, async (context) => {
  const { port } = await startTestServer(context, [
    get("/v2/{name}/manifests/{reference}", reply),
    get("/v2/{name}/manifests/{reference}", reply, { method: "PUT" }),
    get("/api/v1/users", reply),
    get("/v2/{name}/refused", async () => {
      throw new AppError("UNSUPPORTED", "deletion is off");
    }),
  ]);
  const base = `http://127.0.0.1:${port}`;
  const wrong = await fetch(`${base}/v2/a/manifests/b`, { method: "DELETE" });
  assert.equal(wrong.status, 405);
  assert.deepEqual((wrong.headers.get("allow") ?? "").split(", ").sort(), ["GET", "PUT"]);
  assert.equal(JSON.parse(await wrong.text()).errors[0].code, "UNSUPPORTED");
  const head = await fetch(`${base}/api/v1/users`, { method: "HEAD" });
  assert.equal(head.status, 405);
  assert.equal(head.headers.get("allow"), "GET");
  assert.ok((await fetch(`${base}/v2/a/refused`)).headers.has("allow"));
  for (const path of ["/v1/search", "/v1/", "/v2/a/nothing", "/favicon.ico"]) {
    assert.equal((await fetch(base + path)).status, 404, path);
  }
  const unknown = await (await fetch(`${base}/v2/a/nothing`)).text();
  assert.ok(Array.isArray(JSON.parse(unknown).errors));
});

test("answers HEAD, 204 and 304 without a body, errors included", limit, async (context) => {
  const { port } = await startTestServer(context, [
    get("/v2/", reply, { method: "HEAD" }),
    get("/broken", reply, {
      method: "HEAD",
      handle: async () => {
        throw new AppError("MANIFEST_UNKNOWN", "no such manifest");
      },
    }),
    get("/sized", async () => ({ status: 200, headers: { "content-length": 77 } }), { method: "HEAD" }),
    get("/204", async () => ({ status: 204 })),
    get("/304", async () => ({ status: 304, headers: { etag: '"x"' } })),
    get("/202", async () => ({ status: 202 })),
  ]);
  const client = await connectRaw(context, port);
  const ask = async (line: string, end: RegExp): Promise<string> => {
    const start = client.received().length;
    client.send(`${line} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.receive(new RegExp(`^[^]{${start}}HTTP/1[^]*${end.source}$`, "i"));
    return client.received().slice(start);
  };
  const none = /\r\n\r\n/;
  assert.match(await ask("HEAD /v2/", none), /^HTTP\/1\.1 200 [^]*content-length: 4\r\n/i);
  assert.match(await ask("HEAD /broken", none), /^HTTP\/1\.1 404 [^]*content-length: [1-9]/i);
  assert.match(await ask("HEAD /sized", none), /content-length: 77\r\n/i);
  assert.doesNotMatch(await ask("GET /204", none), /content-length|transfer-encoding/i);
  assert.doesNotMatch(await ask("GET /304", none), /content-length|transfer-encoding/i);
  assert.match(await ask("GET /202", none), /content-length: 0\r\n/i);
});

test(
  "refuses addresses that are too long, hosts that are none and names that are none",
  limit,
  async (context) => {
    const { port } = await startTestServer(
      context,
      [guarded("/v2/{name}/tags/list", { who: "repository", action: "pull" })],
      deciding("allowed"),
    );
    const base = `http://127.0.0.1:${port}`;
    assert.equal((await fetch(`${base}/v2/a/tags/list?x=${"a".repeat(8_200)}`)).status, 414);
    for (const name of ["UPPER", "a%0ab", "a//b", "a%22b", ".."]) {
      const response = await fetch(`${base}/v2/x/${name}/tags/list`, {
        headers: { authorization: "Basic bad" },
      });
      assert.ok([400, 401, 404].includes(response.status), `${name}: ${response.status}`);
      assert.doesNotMatch(response.headers.get("www-authenticate") ?? "", /%|UPPER/);
    }
    const client = await connectRaw(context, port);
    client.send('GET /v2/a/tags/list HTTP/1.1\r\nHost: a"b\r\n\r\n');
    await client.receive(/^HTTP\/1\.1 400 [^]*\}$/);
    assert.doesNotMatch(client.received(), /www-authenticate|a"b/i);
  },
);

test("takes targets in absolute form, and HTTP/1.0 without a host", limit, async (context) => {
  const { port } = await startTestServer(context, [
    get("/v2/", async (_call, request) => ({
      status: 200,
      body: { kind: "text", text: `[${request.origin}]` },
    })),
  ]);
  const absolute = await connectRaw(context, port);
  absolute.send("GET http://other.example/v2/ HTTP/1.1\r\nHost: a\r\n\r\n");
  await absolute.receive(/\[http:\/\/other\.example\]$/);
  const old = await connectRaw(context, port);
  old.send("GET /v2/ HTTP/1.0\r\n\r\n");
  await old.receive(new RegExp(`\\[http://127\\.0\\.0\\.1:${port}\\]$`));
  await old.closed();
});

test("challenges whoever might do it after signing in, and says what for", limit, async (context) => {
  const push = guarded(
    "/v2/{name}/blobs/uploads/",
    { who: "repository", action: "push" },
    {
      extraScopes: ({ query }) => {
        const from = query.get("from");
        return from === null
          ? []
          : [{ type: "repository", name: parseRepositoryName(from), actions: ["pull"] }];
      },
    },
  );
  const { port } = await startTestServer(context, [push], deciding("unauthenticated"));
  const url = `http://127.0.0.1:${port}/v2/a/b/blobs/uploads/`;
  const realm = `realm="http://127.0.0.1:${port}/token",service="registry.test"`;
  const anonymously = await fetch(url);
  assert.equal(anonymously.status, 401);
  assert.equal(
    anonymously.headers.get("www-authenticate"),
    `Bearer ${realm},scope="repository:a/b:pull,push"`,
  );
  const mount = await fetch(`${url}?from=c/d`);
  assert.equal(
    mount.headers.get("www-authenticate"),
    `Bearer ${realm},scope="repository:a/b:pull,push repository:c/d:pull"`,
  );
  const wrong = await fetch(url, { headers: { authorization: "Bearer bad" } });
  assert.equal(wrong.status, 401);
  assert.match(wrong.headers.get("www-authenticate") ?? "", /,error="invalid_token"$/);
  const password = await fetch(url, { headers: { authorization: "Basic bad" } });
  assert.doesNotMatch(password.headers.get("www-authenticate") ?? "", /error=/);
});

test("asks for a wider token with 401, and answers 403 when none would help", limit, async (context) => {
  const pull = guarded("/v2/{name}/tags/list", { who: "repository", action: "pull" });
  const headers = { authorization: "Bearer good" };
  const narrow = await startTestServer(context, [pull], deciding("insufficient-scope"));
  const wider = await fetch(`http://127.0.0.1:${narrow.port}/v2/a/tags/list`, { headers });
  assert.equal(wider.status, 401);
  assert.match(
    wider.headers.get("www-authenticate") ?? "",
    /scope="repository:a:pull",error="insufficient_scope"$/,
  );
  const denied = await startTestServer(context, [pull], deciding("denied"));
  const never = await fetch(`http://127.0.0.1:${denied.port}/v2/a/tags/list`, { headers });
  assert.equal(never.status, 403);
  assert.equal(never.headers.get("www-authenticate"), null);
  assert.equal(JSON.parse(await never.text()).errors[0].code, "DENIED");
});

test("lets in whom an endpoint is for", limit, async (context) => {
  const endpoints = [
    guarded("/public", { who: "public" }),
    guarded("/identified", { who: "identified" }),
    guarded("/signed-in", { who: "signed-in" }),
    guarded("/administrator", { who: "administrator" }),
  ];
  const { port } = await startTestServer(
    context,
    endpoints,
    deciding("allowed", { isAdministrator: () => false }),
  );
  const statuses = async (authorization?: string) =>
    Promise.all(
      endpoints.map(async ({ path }) => {
        const headers = authorization === undefined ? {} : { authorization };
        return (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).status;
      }),
    );
  assert.deepEqual(await statuses(), [200, 200, 401, 401]);
  assert.deepEqual(await statuses("Basic bad"), [200, 401, 401, 401]);
  assert.deepEqual(await statuses("Basic good"), [200, 200, 200, 403]);
});

test("checks a body before the handler sees it", limit, async (context) => {
  const endpoints = [
    get(
      "/api/v1/things",
      async (_call, request) => ({ status: 201, body: { kind: "json", value: request.body } }),
      {
        method: "POST",
        body: async () => Type.Object({ name: Type.String() }, { additionalProperties: false }),
      },
    ),
  ];
  const { port } = await startTestServer(context, endpoints);
  const url = `http://127.0.0.1:${port}/api/v1/things`;
  const post = (body: string) =>
    fetch(url, { method: "POST", body, headers: { "content-type": "application/json" } });
  const good = await post('{"name":"a"}');
  assert.deepEqual([good.status, await good.text()], [201, '{"name":"a"}']);
  const bad = await post('{"name":1}');
  assert.equal(bad.status, 400);
  assert.equal(bad.headers.get("content-type"), "application/problem+json");
  assert.match(await bad.text(), /\/name must be string/);
  assert.equal((await post(`{"name":"${"a".repeat(1_100_000)}"}`)).status, 413);
  const impatient = await startTestServer(context, endpoints, { limits: { requestTimeoutMs: 300 } });
  const slow = await connectRaw(context, impatient.port);
  slow.send(
    "POST /api/v1/things HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
  );
  await slow.receive(/^HTTP\/1\.1 400 [^]*did not arrive/);
});

test("makes a log for a request when it is asked for one, with the request's id", limit, async (context) => {
  const { port, lines, finished } = await startTestServer(context, [
    get("/v2/", async (call) => {
      call.log.info({ digest: "x" }, "something changed");
      return { status: 200 };
    }),
  ]);
  await fetch(`http://127.0.0.1:${port}/v2/`);
  await finished(1);
  assert.deepEqual(lines[0], {
    level: "info",
    fields: { requestId: "request-1", digest: "x" },
    message: "something changed",
  });
});
