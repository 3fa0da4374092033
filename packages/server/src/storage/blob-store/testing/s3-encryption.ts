import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { systemClock } from "../../../lib/clock.ts";
import { put } from "../blob-store.contract.ts";
import { openBlobStore } from "../open-blob-store.ts";
import { openS3Client } from "./open-s3-client.ts";
import { expectBytes, expectNothingLeft } from "./push-in-chunks.ts";
import type { ObjectServer } from "./start-object-server.ts";

/** A key that `ceph.sh` gives to the gateway. */
const kmsKey = "registry-key";

/** SSE-KMS as a service does it that has the key; one that has no SSE-S3 says so. */
export function encryptionTests(server: () => ObjectServer, bucket: () => string): void {
  const open = (prefix: string, more: string) =>
    openBlobStore(
      `s3://${bucket()}/${prefix}?endpoint=${server().origin}&pathStyle=true&partMiB=5&${more}`,
      systemClock,
      server().keys,
    );

  describe("server-side encryption", () => {
    test("with SSE-KMS every object is encrypted with the key, small and in parts, and comes back as it was", async () => {
      const store = await open("kms", `encryption=aws:kms&kmsKey=${kmsKey}`);
      const client = openS3Client(server());
      for (const [upload, sizeBytes] of [
        ["u1", 2_000],
        ["u2", 12_000_000],
      ] as const) {
        const bytes = randomBytes(sizeBytes);
        const location = await put(store, upload, bytes);
        const { Contents = [] } = await client.send(
          new ListObjectsV2Command({ Bucket: bucket(), Prefix: "kms/" }),
        );
        assert.ok(Contents.length >= 2, "bytes, and which of them are the blob");
        for (const { Key } of Contents) {
          const head = await client.send(new HeadObjectCommand({ Bucket: bucket(), Key }));
          assert.deepEqual([head.ServerSideEncryption, head.SSEKMSKeyId], ["aws:kms", kmsKey], Key);
        }
        await expectBytes(store, location, bytes);
        const part = Buffer.alloc(100);
        const again = await store.openBlob(location);
        await again.read(part, sizeBytes - 100);
        await again.close();
        assert.deepEqual(part, bytes.subarray(-100), "a range of what is encrypted");
        const largest = Contents.toSorted((a, b) => (b.Size ?? 0) - (a.Size ?? 0))[0]?.Key;
        const { ContentType } = await client.send(new GetObjectCommand({ Bucket: bucket(), Key: largest }));
        assert.equal(ContentType, "application/octet-stream");
        await store.deleteBlob(location);
        await store.discardUpload(upload as Parameters<typeof store.discardUpload>[0]); // as: ids of the contract's form
      }
      client.destroy();
      await store.close();
    });

    test("a key that the service does not have is told in a sentence", async () => {
      const store = await open("no-key", "encryption=aws:kms&kmsKey=no-such-key");
      await assert.rejects(store.probe(), {
        code: "UNAVAILABLE",
        message: /\(InvalidArgument\): encryption or a kmsKey that it does not have/,
      });
      await store.close();
    });

    test("a service without SSE-S3 does not store in the clear what was to be encrypted", async () => {
      const store = await open("s3", "encryption=AES256");
      await assert.rejects(store.probe(), {
        code: "UNAVAILABLE",
        message: /\(InvalidArgument\): encryption/,
      });
      await expectNothingLeft(store);
      await store.close();
    });
  });
}
