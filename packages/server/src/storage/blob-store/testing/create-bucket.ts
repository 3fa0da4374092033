import { randomBytes } from "node:crypto";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { openS3Client } from "./open-s3-client.ts";
import type { ObjectServer } from "./start-object-server.ts";

/** A new bucket; tells its name. */
export async function createBucket(server: Pick<ObjectServer, "origin" | "keys">): Promise<string> {
  const bucket = `blobs-${randomBytes(6).toString("hex")}`;
  const client = openS3Client(server);
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return bucket;
}
