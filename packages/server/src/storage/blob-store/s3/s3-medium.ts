import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { AppError } from "../../../lib/app-error.ts";
import type { SignedReply } from "../blob-store.ts";
import { deleteEach } from "../objects/delete-each.ts";
import type { ObjectMedium, PartedObject } from "../objects/object-medium.ts";
import type { StorageKeys } from "../objects/storage-keys.ts";
import { explainS3Error, statusOf } from "./explain-s3-error.ts";
import type { S3Place } from "./parse-s3-url.ts";
import type { CloudFrontSigner } from "./sign-cloudfront-url.ts";

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const maxParts = 10_000;
type KeyReader = () => Promise<StorageKeys>;
/** Objects under this size cost as if they had it in the cheaper classes; they are kept in the standard one. */
const smallBytes = 131_072;
/** Nobody may be shown a blob as a page, wherever it is read. */
const ContentType = "application/octet-stream";
const sockets = { keepAlive: true, maxSockets: 2_000 };

/**
 * An S3 bucket as a medium, by the AWS SDK: AWS, Ceph, MinIO, R2, Swift. Uses no conditional writes, no copies and no batch deletes, as not every
 * service has them. The keys are asked for with each request, as
 * they may change; without any the SDK's chain is: environment, profile, web identity, container, machine. With `signForCdn` clients are sent where that says, else to
 * the bucket.
 */
export function openS3Medium(
  place: S3Place,
  readKeys: KeyReader | undefined,
  signForCdn?: CloudFrontSigner,
): ObjectMedium {
  const client = createClient(place, readKeys, place.endpoint);
  const { bucket: Bucket, prefix } = place;
  const encryption = {
    ...(place.encryption === undefined ? {} : { ServerSideEncryption: place.encryption }),
    ...(place.kmsKeyId === undefined ? {} : { SSEKMSKeyId: place.kmsKeyId, BucketKeyEnabled: true }),
  };
  const storageClass = (bytes: number) =>
    place.storageClass === undefined || bytes < smallBytes
      ? {}
      : // as: the SDK lists the classes of AWS; other services have their own
        { StorageClass: place.storageClass as "STANDARD" };
  const at = (key: string) => ({ Bucket, Key: prefix + key });
  let signer: ReturnType<typeof createSigner> | undefined;

  return {
    endpoint:
      place.endpoint ?? (place.region === undefined ? undefined : `https://s3.${place.region}.amazonaws.com`),
    partBytes: place.partBytes,
    maxParts,
    async put(key, bytes) {
      await explained(
        client.send(
          new PutObjectCommand({
            ...at(key),
            ...encryption,
            ...storageClass(bytes.byteLength),
            ContentType,
            Body: bytes,
            ContentLength: bytes.byteLength,
          }),
        ),
      );
    },
    async begin(key) {
      const { UploadId } = await explained(
        client.send(
          new CreateMultipartUploadCommand({
            ...at(key),
            ...encryption,
            ...storageClass(place.partBytes),
            ContentType,
          }),
        ),
      );
      if (UploadId === undefined)
        throw new AppError("UNAVAILABLE", "the object store began no multipart upload");
      return createPartedObject(client, at(key), UploadId);
    },
    async get(key, start, lengthBytes) {
      const Range = `bytes=${start}-${start + lengthBytes - 1}`;
      const answer = await missingIsUndefined(client.send(new GetObjectCommand({ ...at(key), Range })));
      if (answer === undefined) return undefined;
      const { Body, ContentLength, ContentRange } = answer;
      if (!(Body instanceof Readable))
        throw new AppError("UNAVAILABLE", "the object store answered without bytes");
      const isFromStart =
        ContentRange === undefined ? start === 0 : ContentRange.startsWith(`bytes ${start}-`);
      if (!isFromStart || (ContentLength ?? lengthBytes) < lengthBytes) {
        Body.destroy();
        throw new AppError("UNAVAILABLE", "the object store answered with another range than was asked for");
      }
      return Body;
    },
    async getWhole(key) {
      const answer = await missingIsUndefined(client.send(new GetObjectCommand(at(key))));
      const bytes = await explained(Promise.resolve(answer?.Body?.transformToByteArray()));
      return bytes === undefined ? undefined : Buffer.from(bytes);
    },
    async *list(below) {
      let token: string | undefined;
      do {
        const page = await explained(
          client.send(new ListObjectsV2Command({ Bucket, Prefix: prefix + below, ContinuationToken: token })),
        );
        for (const { Key, Size, LastModified } of page.Contents ?? []) {
          if (Key === undefined) continue;
          yield {
            key: Key.slice(prefix.length),
            sizeBytes: Size ?? 0,
            modifiedAtMs: LastModified?.getTime() ?? 0,
          };
        }
        token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      } while (token !== undefined);
    },
    delete: (keys) => deleteEach(keys, (key) => explained(client.send(new DeleteObjectCommand(at(key))))),
    async *listUnfinished(below) {
      let next: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } | undefined = {};
      do {
        const page: Awaited<ReturnType<typeof listPage>> = await listPage(next);
        for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
          // One service takes the prefix for a hint.
          if (Key === undefined || UploadId === undefined || !Key.startsWith(prefix + below)) continue;
          yield { key: Key.slice(prefix.length), token: UploadId, begunAtMs: Initiated?.getTime() ?? 0 };
        }
        const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
        next =
          page.IsTruncated === true && KeyMarker !== undefined
            ? { KeyMarker, ...(UploadIdMarker === undefined ? {} : { UploadIdMarker }) }
            : undefined;
      } while (next !== undefined);

      function listPage(from: object) {
        return explained(
          client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: prefix + below, ...from })),
        );
      }
    },
    async abort({ key, token }) {
      await abortUpload(client, at(key), token);
    },
    async signUrl(key, reply) {
      if (signForCdn !== undefined) return signForCdn(prefix + key, reply.expiresSeconds);
      signer ??= createSigner(place, readKeys);
      return (await signer)(at(key), reply);
    },
    async close() {
      client.destroy();
    },
  };
}

function createClient(
  place: S3Place,
  readKeys: KeyReader | undefined,
  endpoint: string | undefined,
): S3Client {
  return new S3Client({
    ...(place.region === undefined ? {} : { region: place.region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(readKeys === undefined ? {} : { credentials: () => readCredentials(readKeys) }),
    forcePathStyle: place.usesPathStyle,
    requestChecksumCalculation: place.checksums,
    responseChecksumValidation: place.checksums,
    // Passing faults (500, 503, 429, broken connections) are tried again by the SDK, with growing pauses.
    maxAttempts: 4,
    requestHandler: {
      connectionTimeout: 5_000,
      requestTimeout: 120_000,
      socketTimeout: 60_000,
      throwOnRequestTimeout: true,
      httpAgent: sockets,
      httpsAgent: sockets,
    },
  });
}

/** The SDK keeps what has no end for ever, and asks again for what ends within five minutes: so it asks the file. */
async function readCredentials(readKeys: KeyReader) {
  const { accessKey, secretKey, sessionToken } = await readKeys();
  return {
    accessKeyId: accessKey,
    secretAccessKey: secretKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    expiration: new Date(0),
  };
}

function createPartedObject(
  client: S3Client,
  at: { readonly Bucket: string; readonly Key: string },
  UploadId: string,
): PartedObject {
  const etags = new Map<number, string | undefined>();
  return {
    async writePart(number, bytes) {
      const { ETag } = await explained(
        client.send(
          new UploadPartCommand({
            ...at,
            UploadId,
            PartNumber: number,
            Body: bytes,
            ContentLength: bytes.byteLength,
          }),
        ),
      );
      etags.set(number, ETag);
    },
    async complete() {
      const Parts = [...etags]
        .sort(([left], [right]) => left - right)
        .map(([PartNumber, ETag]) => ({ PartNumber, ETag }));
      try {
        await client.send(
          new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }),
        );
      } catch (error) {
        // The first try may have done it and only its answer got lost.
        const mayBeDone = error instanceof Error && error.name === "NoSuchUpload";
        if (mayBeDone && (await missingIsUndefined(client.send(new HeadObjectCommand(at)))) !== undefined)
          return;
        throw explainS3Error(error);
      }
    },
    abort: () => abortUpload(client, at, UploadId),
  };
}

async function abortUpload(
  client: S3Client,
  at: { readonly Bucket: string; readonly Key: string },
  UploadId: string,
): Promise<void> {
  await missingIsUndefined(client.send(new AbortMultipartUploadCommand({ ...at, UploadId })));
}

/** Loaded with the first redirect. Signs for the address that clients use, and asks them for no header of their own. */
async function createSigner(place: S3Place, readKeys: KeyReader | undefined) {
  const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
  const client = createClient(
    { ...place, checksums: "WHEN_REQUIRED" },
    readKeys,
    place.publicEndpoint ?? place.endpoint,
  );
  return (at: { readonly Bucket: string; readonly Key: string }, reply: SignedReply) =>
    explained(
      getSignedUrl(
        client,
        new GetObjectCommand({
          ...at,
          ResponseContentType: reply.contentType,
          ResponseCacheControl: reply.cacheControl,
        }),
        { expiresIn: reply.expiresSeconds },
      ),
    );
}

async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw explainS3Error(error);
  }
}

async function missingIsUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const isBucket = error instanceof Error && error.name === "NoSuchBucket";
    if (statusOf(error) === 404 && !isBucket) return undefined;
    throw explainS3Error(error);
  }
}
