import { randomBytes } from "node:crypto";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { ObjectServer } from "./start-object-server.ts";

/** A new bucket; tells its name. */
export async function createBucket(server: Pick<ObjectServer, "origin" | "keys">): Promise<string> {
  const bucket = `blobs-${randomBytes(6).toString("hex")}`;
  const client = new S3Client({
    endpoint: server.origin,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: server.keys.accessKey, secretAccessKey: server.keys.secretKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return bucket;
}
