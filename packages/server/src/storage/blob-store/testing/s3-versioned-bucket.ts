import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { ListObjectVersionsCommand, PutBucketVersioningCommand, type S3Client } from "@aws-sdk/client-s3";
import { systemClock } from "../../../lib/clock.ts";
import { blobStoreContract, put, readAll } from "../blob-store.contract.ts";
import { openBlobStore } from "../open-blob-store.ts";
import { createBucket } from "./create-bucket.ts";
import { openS3Client } from "./open-s3-client.ts";
import type { ObjectServer } from "./start-object-server.ts";

/** A bucket that keeps what is deleted; and keys that change, as a service that checks them sees it. */
export function versionedBucketTests(server: () => ObjectServer): void {
  describe("a bucket with versions", () => {
    let bucket: string;
    let client: S3Client;
    before(async () => {
      bucket = await createBucket(server());
      client = openS3Client(server());
      const VersioningConfiguration = { Status: "Enabled" } as const;
      await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
    });
    const url = (prefix: string) => `s3://${bucket}/${prefix}?endpoint=${server().origin}&pathStyle=true`;
    let stores = 0;
    blobStoreContract("ceph, with versions,", async () => ({
      store: await openBlobStore(url(`versions/${(stores += 1)}`), systemClock, server().keys),
      dispose: async () => {},
    }));

    test("what is deleted is gone for the registry, and stays in the bucket as an old version", async () => {
      const store = await openBlobStore(url("kept"), systemClock, server().keys);
      const location = await put(store, "u1", Buffer.from("kept"));
      await store.deleteBlob(location);
      await assert.rejects(store.openBlob(location), { code: "BLOB_UNKNOWN" });
      for await (const left of store.list()) assert.fail(`${left.kind} ${left.name} is left`);
      const { Versions, DeleteMarkers } = await client.send(
        new ListObjectVersionsCommand({ Bucket: bucket, Prefix: "kept/" }),
      );
      assert.deepEqual([Versions?.length, DeleteMarkers?.length], [2, 2]);
      await store.close();
      client.destroy();
    });
  });

  test("keys that a service checks are exchanged in their file while it is used", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "entrepot-s3-keys-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const keysFile = join(folder, "keys.json");
    const { keys, origin } = server();
    const write = (secretKey: string) => writeFile(keysFile, JSON.stringify({ ...keys, secretKey }));
    await write("not-yet");
    let nowMs = systemClock.nowMs();
    const bucket = await createBucket(server());
    const clock = { nowMs: () => nowMs };
    const store = await openBlobStore(`s3://${bucket}?endpoint=${origin}&pathStyle=true`, clock, {
      keysFile,
    });
    await assert.rejects(store.probe(), { code: "UNAVAILABLE", message: /secret key/ });
    await write(keys.secretKey);
    nowMs += 1_001;
    const location = await put(store, "u1", Buffer.from("abc"));
    const reader = await store.openBlob(location);
    assert.equal((await readAll(reader)).toString(), "abc");
    await reader.close();
    await store.close();
  });
}
