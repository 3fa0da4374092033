import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { parseS3Url } from "./parse-s3-url.ts";
import { openS3Medium } from "./s3-medium.ts";

const keys = async () => ({ accessKey: "a", secretKey: "b", sessionToken: "temporary" });

test("encryption, key, class and session are told to the service; small objects stay in the standard class", async (t) => {
  const seen: { readonly url: string; readonly headers: IncomingHttpHeaders }[] = [];
  const server = createServer((request, response) => {
    seen.push({ url: request.url ?? "", headers: request.headers });
    request.resume().on("end", () => {
      const begun = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
      response.end(request.url?.includes("?uploads") === true ? begun : "");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  const more = "encryption=aws:kms&kmsKey=arn:aws:kms:eu-central-1:1:key/x&storageClass=STANDARD_IA";
  const medium = openS3Medium(
    parseS3Url(`s3://bucket/some/place?endpoint=http://127.0.0.1:${port}&pathStyle=true&${more}`),
    keys,
  );
  await medium.put("small", Buffer.alloc(10));
  await medium.put("large", Buffer.alloc(200_000));
  await medium.begin("parts");
  await medium.close();
  assert.deepEqual(
    seen.map(({ url }) => url.split("?")[0]),
    ["/bucket/some/place/small", "/bucket/some/place/large", "/bucket/some/place/parts"],
  );
  for (const { headers } of seen) {
    assert.equal(headers["x-amz-server-side-encryption"], "aws:kms");
    assert.equal(headers["x-amz-server-side-encryption-aws-kms-key-id"], "arn:aws:kms:eu-central-1:1:key/x");
    assert.equal(headers["x-amz-security-token"], "temporary");
    assert.equal(headers["x-amz-checksum-crc32"], undefined, "a service that is not AWS gets no checksums");
  }
  assert.deepEqual(
    seen.map(({ headers }) => headers["x-amz-storage-class"]),
    [undefined, "STANDARD_IA", "STANDARD_IA"],
  );
});

test("with SSE-S3 each object is asked to be encrypted, which a bucket may insist on; no key is named", async (t) => {
  const refused: string[] = [];
  // A bucket with the policy that AWS documents: Deny s3:PutObject where s3:x-amz-server-side-encryption is not AES256.
  const server = createServer(({ method = "", url = "", headers }, response) => {
    const begins = method === "POST" && url.includes("?uploads");
    const creates = begins || (method === "PUT" && !url.includes("partNumber"));
    const names = Object.keys(headers).filter((name) => name.startsWith("x-amz-server-side-encryption"));
    // AWS refuses the header for a part, and a key beside AES256.
    const allowed = creates ? ["x-amz-server-side-encryption"] : [];
    const isRight = names.join() === allowed.join();
    const asks = creates ? headers["x-amz-server-side-encryption"] === "AES256" : true;
    if (!isRight || !asks) {
      refused.push(`${method} ${url} ${names.join()}`);
      response.writeHead(403).end("<Error><Code>AccessDenied</Code></Error>");
      return;
    }
    if (begins)
      response.write("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
    else if (method === "POST")
      response.write("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>");
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  const url = `s3://bucket?endpoint=http://127.0.0.1:${port}&pathStyle=true`;
  const medium = openS3Medium(parseS3Url(`${url}&encryption=AES256`), keys);
  await medium.put("small", Buffer.alloc(10));
  const parts = await medium.begin("parts");
  await parts.writePart(1, Buffer.alloc(10));
  await parts.complete();
  await medium.close();
  assert.deepEqual(refused, []);
  const open = openS3Medium(parseS3Url(url), keys);
  await assert.rejects(open.put("small", Buffer.alloc(10)), /AccessDenied/);
  await open.close();
});

test("an address is signed for the host that clients use, and needs no header of theirs", async () => {
  const place = parseS3Url(
    "s3://bucket?endpoint=http://10.0.0.1:9000&publicEndpoint=https://objects.example.org&pathStyle=true",
  );
  const medium = openS3Medium(place, keys);
  const url = new URL(
    (await medium.signUrl("key", { expiresSeconds: 60, contentType: "a/b", cacheControl: "private" })) ?? "",
  );
  assert.equal(url.origin, "https://objects.example.org");
  assert.equal(url.searchParams.get("X-Amz-SignedHeaders"), "host");
  assert.equal(url.searchParams.get("X-Amz-Expires"), "60");
  assert.equal(url.searchParams.get("response-content-type"), "a/b");
  await medium.close();
});

test("a url says bucket, place and how to speak; checksums are AWS's unless it says otherwise", () => {
  const aws = parseS3Url("s3://bucket/a/b/?region=eu-central-1");
  assert.deepEqual(
    [aws.bucket, aws.prefix, aws.region, aws.endpoint, aws.usesPathStyle, aws.checksums, aws.partBytes],
    ["bucket", "a/b/", "eu-central-1", undefined, false, "WHEN_SUPPORTED", 8_388_608],
  );
  const other = parseS3Url("s3://bucket?endpoint=https://s3.example.org/");
  assert.deepEqual(
    [other.prefix, other.region, other.endpoint, other.checksums],
    ["", "us-east-1", "https://s3.example.org", "WHEN_REQUIRED"],
  );
});

test("a url that is not of its form is refused, and never quoted", () => {
  for (const url of [
    "s3:///prefix",
    "s3://key:secret@bucket",
    "s3://bucket?regoin=x",
    "s3://bucket?region=a&region=b",
    "s3://bucket?endpoint=ftp://x",
    "s3://bucket?endpoint=https://key:secret@x",
    "s3://bucket?pathStyle=yes",
    "s3://bucket?checksums=none",
    "s3://bucket?encryption=rot13",
    "s3://bucket?kmsKey=x",
    "s3://bucket?cloudFront=https://cdn.example.org",
    "s3://bucket?cloudFrontKeyPair=K1&cloudFrontKeyFile=/k",
    "s3://bucket?cloudFront=ftp://x&cloudFrontKeyPair=K1&cloudFrontKeyFile=/k",
    "s3://bucket?cloudFront=https://x&cloudFrontKeyPair=K%22&cloudFrontKeyFile=/k",
    "s3://bucket?cloudFront=https://x%3Fa&cloudFrontKeyPair=K1&cloudFrontKeyFile=/k",
    "s3://bucket?cloudFront=https://x&cloudFrontKeyPair=K1&cloudFrontKeyFile=/k&publicEndpoint=https://y",
    "s3://bucket?partMiB=4",
    "s3://bucket/a%20b",
    "s3://bucket/%2e%2e/x y",
  ]) {
    assert.throws(
      () => parseS3Url(url),
      (error: Error & { readonly code?: string }) => {
        assert.equal(error.code, "REQUEST_INVALID", url);
        assert.ok(!error.message.includes("secret@"), url);
        return true;
      },
      url,
    );
  }
});
