import { paginateListObjectsV2 } from "@aws-sdk/client-s3";
import { openS3Client } from "./open-s3-client.ts";
import type { ObjectServer } from "./start-object-server.ts";

/** The keys of everything in a bucket. */
export async function listBucket(server: ObjectServer, bucket: string): Promise<readonly string[]> {
  const client = openS3Client(server);
  const keys: string[] = [];
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket })) {
    for (const { Key: key } of page.Contents ?? []) if (key !== undefined) keys.push(key);
  }
  client.destroy();
  return keys;
}
