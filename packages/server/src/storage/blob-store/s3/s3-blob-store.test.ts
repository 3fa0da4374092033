import { after, before, describe } from "node:test";
import { systemClock } from "../../../lib/clock.ts";
import { blobStoreContract } from "../blob-store.contract.ts";
import { openBlobStore } from "../open-blob-store.ts";
import { createBucket } from "../testing/create-bucket.ts";
import { behindCloudFrontTests } from "../testing/s3-behind-cloudfront.ts";
import { encryptionTests } from "../testing/s3-encryption.ts";
import { s3FaultTests } from "../testing/s3-faults.ts";
import { missingRightTests } from "../testing/s3-missing-right.ts";
import { versionedBucketTests } from "../testing/s3-versioned-bucket.ts";
import {
  missingObjectServer,
  type ObjectServer,
  objectServers,
  startObjectServer,
} from "../testing/start-object-server.ts";

for (const name of objectServers) {
  const missing = missingObjectServer(name);
  describe(`S3 as ${name} speaks it`, { skip: missing ?? false }, () => {
    let server: ObjectServer;
    let bucket: string;
    before(async () => {
      server = await startObjectServer(name);
      bucket = await createBucket(server);
    });
    after(() => server.stop());

    const url = (prefix: string, more = "") =>
      `s3://${bucket}/${prefix}?endpoint=${server.origin}&pathStyle=true${more}`;
    let stores = 0;
    const open = (more: string) => async () => ({
      store: await openBlobStore(url(`contract/${(stores += 1)}`, more), systemClock, server.keys),
      dispose: async () => {},
    });
    blobStoreContract(`${name}, checksums where they must be,`, open("&checksums=required"));
    s3FaultTests(
      () => server,
      () => bucket,
    );
    if (name === "ceph") versionedBucketTests(() => server);
    if (name === "ceph") {
      missingRightTests(() => server);
      encryptionTests(
        () => server,
        () => bucket,
      );
      behindCloudFrontTests(
        () => server,
        () => bucket,
      );
    }
    if (name === "ceph") blobStoreContract(`${name}, checksums everywhere,`, open("&checksums=supported"));
  });
}
