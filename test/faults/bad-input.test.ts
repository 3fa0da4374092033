import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  imageManifestType,
  openSession,
  type RegistrySession,
  randomContent,
} from "../support/registry-session.ts";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";

let server: ServerProcess;
let session: RegistrySession;
let dataDir: string;
const good = `sha256:${"a".repeat(64)}`;
const manifestHeaders = { "content-type": imageManifestType };

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "entrepot-bad-input-"));
  server = await startServer({ dataDir, port: await freePort(), settings: { ENTREPOT_LOG_LEVEL: "info" } });
  session = openSession(server.origin, administrator);
  assert.equal(await session.pushBlob("acme/app", randomContent(2_048), "post"), 201);
});
after(async () => {
  await server.stop("SIGTERM");
  await rm(dataDir, { recursive: true, force: true });
});

interface Case {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  readonly status: number;
  readonly code: string;
}

const cases: readonly Case[] = [
  {
    what: "a name in capitals",
    method: "GET",
    path: "/v2/Acme/app/tags/list",
    status: 400,
    code: "NAME_INVALID",
  },
  {
    what: "a name with two slashes",
    method: "GET",
    path: "/v2/acme//app/tags/list",
    status: 400,
    code: "NAME_INVALID",
  },
  {
    what: "a name of 300 characters",
    method: "GET",
    path: `/v2/${"a".repeat(300)}/tags/list`,
    status: 400,
    code: "NAME_INVALID",
  },
  {
    what: "a name that climbs",
    method: "GET",
    path: "/v2/x%2f..%2f..%2fetc/tags/list",
    status: 400,
    code: "NAME_INVALID",
  },
  {
    what: "a bad percent encoding",
    method: "GET",
    path: "/v2/a%zz/tags/list",
    status: 400,
    code: "UNSUPPORTED",
  },
  {
    what: "a repository that is not there",
    method: "GET",
    path: "/v2/acme/none/tags/list",
    status: 404,
    code: "NAME_UNKNOWN",
  },
  {
    what: "a digest of unknown algorithm",
    method: "GET",
    path: "/v2/acme/app/blobs/md5:abc",
    status: 400,
    code: "DIGEST_INVALID",
  },
  {
    what: "a digest that is too short",
    method: "GET",
    path: "/v2/acme/app/blobs/sha256:abc",
    status: 400,
    code: "DIGEST_INVALID",
  },
  {
    what: "a digest in capitals",
    method: "GET",
    path: `/v2/acme/app/blobs/sha256:${"A".repeat(64)}`,
    status: 400,
    code: "DIGEST_INVALID",
  },
  {
    what: "a blob that is not there",
    method: "GET",
    path: `/v2/acme/app/blobs/${good}`,
    status: 404,
    code: "BLOB_UNKNOWN",
  },
  {
    what: "a tag that is none",
    method: "GET",
    path: "/v2/acme/app/manifests/-x",
    status: 400,
    code: "MANIFEST_INVALID",
  },
  {
    what: "a tag of 129 characters",
    method: "GET",
    path: `/v2/acme/app/manifests/${"a".repeat(129)}`,
    status: 400,
    code: "MANIFEST_INVALID",
  },
  {
    what: "a tag that is not there",
    method: "GET",
    path: "/v2/acme/app/manifests/none",
    status: 404,
    code: "MANIFEST_UNKNOWN",
  },
  {
    what: "a page size that is no number",
    method: "GET",
    path: "/v2/acme/app/tags/list?n=ten",
    status: 400,
    code: "UNSUPPORTED",
  },
  {
    what: "a negative page size",
    method: "GET",
    path: "/v2/_catalog?n=-1",
    status: 400,
    code: "UNSUPPORTED",
  },
  {
    what: "a referrers cursor nobody gave out",
    method: "GET",
    path: `/v2/acme/app/referrers/${good}?last=x`,
    status: 400,
    code: "UNSUPPORTED",
  },
  {
    what: "referrers of a bad digest",
    method: "GET",
    path: "/v2/acme/app/referrers/sha256:x",
    status: 400,
    code: "DIGEST_INVALID",
  },
  {
    what: "a manifest that is no JSON",
    method: "PUT",
    path: "/v2/acme/app/manifests/x",
    headers: manifestHeaders,
    body: "{",
    status: 400,
    code: "MANIFEST_INVALID",
  },
  {
    what: "a manifest that is a list",
    method: "PUT",
    path: "/v2/acme/app/manifests/x",
    headers: manifestHeaders,
    body: "[]",
    status: 400,
    code: "MANIFEST_INVALID",
  },
  {
    what: "an empty manifest",
    method: "PUT",
    path: "/v2/acme/app/manifests/x",
    headers: manifestHeaders,
    body: "",
    status: 400,
    code: "MANIFEST_INVALID",
  },
  {
    what: "a manifest nested a million deep",
    method: "PUT",
    path: "/v2/acme/app/manifests/x",
    headers: manifestHeaders,
    body: "[".repeat(1_000_000),
    status: 400,
    code: "MANIFEST_INVALID",
  },
  {
    what: "a manifest over 4 MiB",
    method: "PUT",
    path: "/v2/acme/app/manifests/x",
    headers: manifestHeaders,
    body: "x".repeat(4_194_305),
    status: 413,
    code: "SIZE_INVALID",
  },
  {
    what: "a manifest whose layers are not there",
    method: "PUT",
    path: "/v2/acme/app/manifests/x",
    headers: manifestHeaders,
    body: JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: "application/x", digest: good, size: 1 },
      layers: [],
    }),
    status: 404,
    code: "MANIFEST_BLOB_UNKNOWN",
  },
  {
    what: "a manifest pushed to another digest",
    method: "PUT",
    path: `/v2/acme/app/manifests/${good}`,
    headers: manifestHeaders,
    body: "{}",
    status: 400,
    code: "DIGEST_INVALID",
  },
  {
    what: "more tags at once than are taken",
    method: "PUT",
    path: `/v2/acme/app/manifests/${good}?${"tag=a&".repeat(101)}`,
    headers: manifestHeaders,
    body: "{}",
    status: 414,
    code: "MANIFEST_INVALID",
  },
  {
    what: "an address of 9,000 characters",
    method: "GET",
    path: `/v2/acme/app/tags/list?x=${"y".repeat(9_000)}`,
    status: 414,
    code: "MANIFEST_INVALID",
  },
  {
    what: "an upload that is not there",
    method: "PATCH",
    path: "/v2/acme/app/blobs/uploads/nope",
    body: "x",
    status: 404,
    code: "BLOB_UPLOAD_UNKNOWN",
  },
  {
    what: "an upload id that climbs",
    method: "GET",
    path: "/v2/acme/app/blobs/uploads/..%2f..%2fx",
    status: 404,
    code: "BLOB_UPLOAD_UNKNOWN",
  },
  {
    what: "a single POST to a bad digest",
    method: "POST",
    path: "/v2/acme/app/blobs/uploads/?digest=sha256:x",
    body: "x",
    status: 400,
    code: "DIGEST_INVALID",
  },
  {
    what: "a single POST of other bytes",
    method: "POST",
    path: `/v2/acme/app/blobs/uploads/?digest=${good}`,
    body: "x",
    status: 400,
    code: "DIGEST_INVALID",
  },
  {
    what: "a mount of a bad digest",
    method: "POST",
    path: "/v2/acme/app/blobs/uploads/?mount=x",
    status: 400,
    code: "DIGEST_INVALID",
  },
  {
    what: "a method that is not possible",
    method: "PUT",
    path: "/v2/acme/app/tags/list",
    body: "x",
    status: 405,
    code: "UNSUPPORTED",
  },
  {
    what: "an address that is none",
    method: "GET",
    path: "/v2/acme/app/nothing/here",
    status: 404,
    code: "NAME_UNKNOWN",
  },
  {
    what: "a scope that is none",
    method: "GET",
    path: "/token?scope=repository",
    status: 400,
    code: "NAME_INVALID",
  },
  {
    what: "a token for another service",
    method: "GET",
    path: "/token?service=other",
    status: 400,
    code: "UNSUPPORTED",
  },
];

describe("bad input gets the specified error and a sentence", () => {
  for (const { what, method, path, headers, body, status, code } of cases) {
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
    assert.equal((await session.request("PUT", `${location}?digest=${good}`)).status, 400, "wrong digest");
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
