import { paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";
import type { ObjectServer } from "./start-object-server.ts";

/** The keys of everything in a bucket. */
export async function listBucket(server: ObjectServer, bucket: string): Promise<readonly string[]> {
  const client = new S3Client({
    endpoint: server.origin,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: server.keys.accessKey, secretAccessKey: server.keys.secretKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const keys: string[] = [];
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket })) {
    for (const { Key: key } of page.Contents ?? []) if (key !== undefined) keys.push(key);
  }
  client.destroy();
  return keys;
}
