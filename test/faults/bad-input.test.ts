import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openSession, type RegistrySession, randomContent } from "../support/registry-session.ts";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";
import { absentDigest, badInputs } from "./bad-inputs.ts";

let server: ServerProcess;
let session: RegistrySession;
let dataDir: string;

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "entrepot-bad-input-"));
  server = await startServer({ dataDir, port: await freePort(), settings: { ENTREPOT_LOG_LEVEL: "info" } });
  session = openSession(server.origin, administrator);
  assert.equal(await session.pushBlob("acme/app", randomContent(2_048), "post"), 201);
});
after(async () => {
  await server.stop("SIGTERM");
  await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
});

describe("bad input gets the specified error and a sentence", () => {
  for (const { what, method, path, headers, body, status, code } of badInputs) {
    test(what, async () => {
      const bytes = typeof body === "string" ? Buffer.from(body) : body;
      const response = await session.request(method, path, {
        ...(headers === undefined ? {} : { headers }),
        ...(bytes === undefined ? {} : { body: bytes }),
      });
      const text = await response.text();
      assert.equal(response.status, status, text);
      const { errors } = JSON.parse(text) as { errors: { code: string; message: string }[] };
      assert.equal(errors[0]?.code, code);
      assert.match(errors[0]?.message ?? "", /\w+ \w+/, "a person is told what is wrong");
      assert.doesNotMatch(text, /\bat .*\.[jt]s:|node_modules|Error:/, "no stack trace");
    });
  }

  test("chunks that are out of order, too long, or of no range leave the upload as it was", async () => {
    const begun = await session.request("POST", "/v2/acme/app/blobs/uploads/");
    const location = begun.headers.get("location") ?? "";
    const patch = async (range: string, body: string) =>
      (
        await session.request("PATCH", location, {
          body: Buffer.from(body),
          headers: { "content-range": range },
        })
      ).status;
    assert.equal(await patch("5-9", "abcde"), 416);
    assert.equal(await patch("0-9", "abc"), 400);
    assert.equal(await patch("9-0", "abc"), 400);
    assert.equal(await patch("zero-two", "abc"), 400);
    assert.equal(await patch("0-2", "abc"), 202);
    const digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert.equal(
      (await session.request("PUT", `${location}?digest=${absentDigest}`)).status,
      400,
      "wrong digest",
    );
    assert.equal((await session.request("PUT", location)).status, 400, "no digest");
    assert.equal(
      (await session.request("PUT", `${location}?digest=${digest}`)).status,
      201,
      "and it can still be closed",
    );
  });

  test("credentials that are malformed, wrong or oversized are refused, and none reaches the log", async () => {
    const secret = "s3cr3t-that-must-not-be-logged";
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
    const headers = [
      "Basic !!!",
      basic("no colon"),
      basic(`admin:${secret}`),
      basic(`nobody:${secret}`),
      "Bearer x.y.z",
      `Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.`,
      `Bearer entp_${secret}`,
      `Bearer ${"a".repeat(9_000)}`,
      "Digest username=x",
      "Basic",
    ];
    for (const authorization of headers) {
      const response = await fetch(`${server.origin}/v2/acme/app/tags/list`, { headers: { authorization } });
      const text = await response.text();
      assert.equal(response.status, 401, `${authorization.slice(0, 40)}: ${text}`);
      assert.match(response.headers.get("www-authenticate") ?? "", /^Bearer realm=/);
      assert.doesNotMatch(text, new RegExp(secret));
    }
    assert.doesNotMatch(server.output(), new RegExp(secret));
    assert.doesNotMatch(server.output(), new RegExp(administrator.password));
  });

  test("a Host header that is none never reaches a challenge", async () => {
    const socket = connect(Number(new URL(server.origin).port), "127.0.0.1");
    socket.write('GET /v2/ HTTP/1.1\r\nhost: evil.test"/,x="\r\nconnection: close\r\n\r\n');
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(socket, "close");
    const answer = Buffer.concat(chunks).toString();
    assert.match(answer, /^HTTP\/1.1 400/);
    assert.doesNotMatch(answer, /evil/);
  });

  test("ranges that are wrong are ignored or refused as RFC 9110 has it", async () => {
    const content = randomContent(2_048);
    await session.pushBlob("acme/app", content, "put");
    const get = (range: string) =>
      session.request("GET", `/v2/acme/app/blobs/${content.digest}`, { headers: { range } });
    for (const [range, status, bytes] of [
      ["bytes=0-0", 206, 1],
      ["bytes=2000-5000", 206, 48],
      ["bytes=-10", 206, 10],
      ["bytes=5000-", 416, undefined],
      ["bytes=500-0", 416, undefined],
      ["bytes=a-b", 200, 2_048],
      ["lines=1-2", 200, 2_048],
    ] as const) {
      const response = await get(range);
      const body = await response.arrayBuffer();
      assert.equal(response.status, status, range);
      if (bytes !== undefined) assert.equal(body.byteLength, bytes, range);
    }
    const several = await get("bytes=0-9,100-109,2040-");
    assert.match(several.headers.get("content-type") ?? "", /^multipart\/byteranges; boundary=/);
    const text = Buffer.from(await several.arrayBuffer()).toString("latin1");
    assert.equal(text.match(/Content-Range: bytes /g)?.length, 3);
    assert.ok(text.includes(Buffer.from(content.bytes.subarray(100, 110)).toString("latin1")));
  });
});
