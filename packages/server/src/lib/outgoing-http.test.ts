import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { type TestContext, test } from "node:test";
import { parseIpNetwork } from "./ip-network.ts";
import { createOutgoingHttp, type OutgoingHttpOptions } from "./outgoing-http.ts";

const local = [parseIpNetwork("127.0.0.0/8")];

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`; // as: it listens on TCP
}

function client(t: TestContext, options: Partial<OutgoingHttpOptions> = {}) {
  const http = createOutgoingHttp({ allowedNetworks: local, ...options });
  t.after(() => http.close());
  return http;
}

test("sends a request and gives the reply, errors and redirects included", async (t) => {
  const host = await serve(t, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.writeHead(request.url === "/moved" ? 302 : 418, {
        location: "http://127.0.0.1/x",
        "x-a": ["1", "2"],
      });
      response.end(
        `${request.method} ${String(request.headers["x-one"])} ${Buffer.concat(chunks).toString()}`,
      );
    });
  });
  const http = client(t);
  const reply = await http.request(`http://${host}/a?b=c`, {
    method: "POST",
    headers: { "x-one": "two" },
    body: "body",
  });
  assert.equal(reply.status, 418);
  assert.equal(reply.headers["x-a"], "1, 2");
  assert.equal(reply.body.toString(), "POST two body");
  assert.equal((await http.request(`http://${host}/moved`)).status, 302);
});

test("reaches nothing that is not public unless its network is allowed, however the address is written", async (t) => {
  let requests = 0;
  const host = await serve(t, (_request, response) => {
    requests += 1;
    response.end();
  });
  const port = host.split(":")[1];
  const http = client(t, { allowedNetworks: [] });
  const names = [
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0",
  ];
  for (const name of names) {
    await assert.rejects(http.request(`http://${name}:${port}/`), { code: "REQUEST_INVALID" }, name);
  }
  for (const address of ["169.254.169.254", "10.0.0.1", "[fd00:ec2::254]", "[fe80::1]"]) {
    await assert.rejects(
      http.request(`http://${address}/latest/meta-data`),
      { code: "REQUEST_INVALID" },
      address,
    );
  }
  assert.equal(requests, 0);
});

test("connects to an address that it has checked, whatever the name means a moment later", async (t) => {
  const host = await serve(t, (_request, response) => response.end("reached"));
  const port = host.split(":")[1];
  const answers = [["10.9.9.9"], ["10.9.9.9", "127.0.0.1"]];
  const http = client(t, {
    resolve: async () => (answers.shift() ?? []).map((address) => ({ address, family: 4 })),
  });
  await assert.rejects(http.request(`http://rebind.test:${port}/`), { code: "REQUEST_INVALID" });
  const reply = await http.request(`http://rebind.test:${port}/`);
  assert.equal(reply.body.toString(), "reached");
});

test("takes only http and https, and no password in the address", async (t) => {
  const http = client(t);
  for (const address of [
    "file:///etc/passwd",
    "ftp://example.org/",
    "gopher://127.0.0.1/",
    "//x",
    "",
    "data:,x",
  ]) {
    await assert.rejects(http.request(address), { code: "REQUEST_INVALID" }, address);
  }
  await assert.rejects(http.request("http://ada:hunter22@127.0.0.1/"), (error: Error) => {
    assert.doesNotMatch(error.message, /hunter22|ada/);
    return true;
  });
});

test("gives up on a reply that is too long, too slow or none, without a word of what was sent", async (t) => {
  const host = await serve(t, (request, response) => {
    if (request.url?.startsWith("/long") === true) response.end(Buffer.alloc(2_000));
    else if (request.url?.startsWith("/drip") === true) {
      response.write("a");
    }
  });
  const silent = createTcpServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const dead = `127.0.0.1:${(silent.address() as AddressInfo).port}`; // as: it listens on TCP
  await new Promise((resolve) => silent.close(resolve));
  const http = client(t);
  const headers = { authorization: "Bearer secret-token" };
  const cases = [
    [`http://${host}/long?key=secret-query`, { maxBytes: 1_000 }, /longer than 1000 bytes/],
    [`http://${host}/drip?key=secret-query`, { timeoutMs: 100 }, /in time/],
    [`http://${host}/never?key=secret-query`, { timeoutMs: 100 }, /in time/],
    [`http://${dead}/?key=secret-query`, {}, /ECONNREFUSED/],
  ] as const;
  for (const [url, options, message] of cases) {
    await assert.rejects(http.request(url, { headers, ...options }), (error: Error & { code?: string }) => {
      assert.equal(error.code, "UNAVAILABLE");
      assert.match(error.message, message);
      assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /secret-/);
      return true;
    });
  }
});

test("stops when its caller does", async (t) => {
  const host = await serve(t, () => undefined);
  const stop = new AbortController();
  const asked = client(t).request(`http://${host}/`, { signal: stop.signal });
  const reason = new Error("enough");
  stop.abort(reason);
  await assert.rejects(asked, reason);
});

test("a name that the system does not know is UNAVAILABLE, and ends nothing else", async (t) => {
  const outgoing = createOutgoingHttp({ allowedNetworks: [] });
  t.after(() => outgoing.close());
  await assert.rejects(outgoing.request("https://nobody.invalid/"), { code: "UNAVAILABLE" });
});
