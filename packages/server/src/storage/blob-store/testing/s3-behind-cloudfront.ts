import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { systemClock } from "../../../lib/clock.ts";
import { blobStoreContract, put } from "../blob-store.contract.ts";
import { openBlobStore } from "../open-blob-store.ts";
import { type CloudFrontDouble, createTestKeyPair, startCloudFront } from "./cloudfront-double.ts";
import { openS3Client } from "./open-s3-client.ts";
import type { ObjectServer } from "./start-object-server.ts";

/** A real bucket behind a distribution that verifies signatures: the contract, and downloads through the CDN. */
export function behindCloudFrontTests(server: () => ObjectServer, bucket: () => string): void {
  describe("behind CloudFront", () => {
    const pair = createTestKeyPair("K2JCJMDEHXQW5F");
    let cdn: CloudFrontDouble;
    let client: S3Client;
    let folder: string;
    before(async () => {
      client = openS3Client(server());
      cdn = await startCloudFront([pair], systemClock, async (path, range) => {
        const answer = await client.send(
          new GetObjectCommand({ Bucket: bucket(), Key: path.slice(1), Range: range }),
        );
        const bytes = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
        const headers = { "content-type": answer.ContentType ?? "" };
        return { status: range === undefined ? 200 : 206, headers, bytes };
      });
      folder = await mkdtemp(join(tmpdir(), "entrepot-cloudfront-"));
      await writeFile(join(folder, "key.pem"), pair.privatePem);
    });
    after(async () => {
      client.destroy();
      await cdn.close();
      await rm(folder, { recursive: true, force: true });
    });
    const open = (prefix: string) =>
      openBlobStore(
        `s3://${bucket()}/${prefix}?endpoint=${server().origin}&pathStyle=true&cloudFront=${cdn.origin}&cloudFrontKeyPair=${pair.id}&cloudFrontKeyFile=${folder}/key.pem`,
        systemClock,
        server().keys,
      );

    let stores = 0;
    blobStoreContract("S3 behind CloudFront", async () => ({
      store: await open(`cdn/contract/${(stores += 1)}`),
      dispose: async () => {},
    }));

    test("what was pushed to the bucket is downloaded from the CDN by an address that serves this blob only", async () => {
      const store = await open("cdn/signed");
      const bytes = randomBytes(300_000);
      const location = await put(store, "u1", bytes);
      const address =
        (await store.signUrl(location, {
          expiresSeconds: 60,
          contentType: "a/b",
          cacheControl: "private",
        })) ?? "";
      assert.ok(address.startsWith(`${cdn.origin}/cdn/signed/`), address);
      const whole = await fetch(address);
      assert.equal(whole.headers.get("content-type"), "application/octet-stream");
      assert.deepEqual(Buffer.from(await whole.arrayBuffer()), bytes);
      const part = await fetch(address, { headers: { range: "bytes=10-19" } });
      assert.deepEqual([part.status, Buffer.from(await part.arrayBuffer())], [206, bytes.subarray(10, 20)]);
      const other = await put(store, "u2", randomBytes(100));
      const [path = ""] = (
        (await store.signUrl(other, { expiresSeconds: 60, contentType: "", cacheControl: "" })) ?? ""
      ).split("?");
      const crossed = await fetch(`${path}?${address.split("?")[1] ?? ""}`);
      await crossed.arrayBuffer();
      assert.equal(crossed.status, 403, "one blob's signature is none for another");
      await store.deleteBlob(location);
      await store.deleteBlob(other);
      await store.close();
    });
  });
}
