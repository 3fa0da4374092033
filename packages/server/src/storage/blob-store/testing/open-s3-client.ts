import { S3Client } from "@aws-sdk/client-s3";
import type { ObjectServer } from "./start-object-server.ts";

/** A client of the server itself, beside the driver. To be destroyed by the caller. */
export function openS3Client(server: Pick<ObjectServer, "origin" | "keys">): S3Client {
  return new S3Client({
    endpoint: server.origin,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: server.keys.accessKey, secretAccessKey: server.keys.secretKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
}
