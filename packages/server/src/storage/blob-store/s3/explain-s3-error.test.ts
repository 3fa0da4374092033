import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { parseS3Url } from "./parse-s3-url.ts";
import { openS3Medium } from "./s3-medium.ts";

const keys = async () => ({ accessKey: "a", secretKey: "the-secret", sessionToken: undefined });

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => listener(request, response));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  // as: a server that listens on a port has an address of this form
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function sentenceFor(endpoint: string, more = "&pathStyle=true"): Promise<string> {
  const medium = openS3Medium(parseS3Url(`s3://the-bucket?endpoint=${endpoint}${more}`), keys);
  try {
    await medium.put("key", Buffer.from("x"));
    return "";
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error && error.code === "UNAVAILABLE", String(error));
    assert.doesNotMatch(error.message, /the-secret|the-bucket|127\.0\.0\.1/);
    return error.message;
  } finally {
    await medium.close();
  }
}

const errorXml = (code: string, more = "") =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message>${more}</Error>`;

test("each refusal says what to set right", async (t) => {
  const cases: readonly (readonly [number, string, string, RegExp])[] = [
    [403, "InvalidAccessKeyId", "", /correct storage\.accessKey or the keys file; temporary keys need/],
    [403, "SignatureDoesNotMatch", "", /correct storage\.secretKey, and look for blanks/],
    [403, "AccessDenied", "", /needs s3:GetObject, PutObject, DeleteObject/],
    [403, "RequestTimeTooSkewed", "", /clock differs .*: set it, by NTP/],
    [404, "NoSuchBucket", "", /make it, or correct storage\.url; .*pathStyle=true/],
    [400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>", /: write region=eu-west-1$/],
    [400, "AuthorizationHeaderMalformed", "<Region>a b" + "</Region>", /: correct region$/],
    [301, "PermanentRedirect", "", /another region .*: correct region$/],
    [400, "ExpiredToken", "", /renew them in storage\.keysFile/],
    [400, "KMS.DisabledException", "", /is disabled: enable it/],
  ];
  for (const [status, code, more, sentence] of cases) {
    const origin = await serve(t, (_request, response) => {
      response.writeHead(status, { "content-type": "application/xml" }).end(errorXml(code, more));
    });
    assert.match(await sentenceFor(origin), sentence, code);
  }
});

test("an address that leads nowhere, or to something else, says what to look at", async (t) => {
  const page = await serve(t, (_request, response) => {
    response.writeHead(400, { "content-type": "text/html" }).end("<html><body>the console<br></html>");
  });
  assert.match(await sentenceFor(page), /is no S3 service: check endpoint, and its port/);
  assert.match(
    await sentenceFor("http://127.0.0.1:9"),
    /\(ECONNREFUSED\): nothing listens there: check host and port/,
  );
  assert.match(await sentenceFor("http://no-such-host.invalid"), /\(E\w+\): (no such host|the name server)/);
  const plain = await serve(t, (_request, response) => void response.end());
  assert.match(await sentenceFor(plain.replace("http:", "https:")), /https is asked where http is spoken/);
});
