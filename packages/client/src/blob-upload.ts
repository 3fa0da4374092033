import { Readable } from "node:stream";
import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { type ByteReader, createByteReader } from "./byte-reader.ts";
import { isNotFound, RegistryError } from "./registry-error.ts";
import { type RegistrySession, repositoryScope } from "./registry-session.ts";
import { isPassingStatus, pause, type RetryPolicy, retryDelayMs } from "./retry-policy.ts";

/** Bytes that can be read again from any offset: what makes an upload resumable. */
export interface BlobSource {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The bytes from `fromByte` to the end. Called again after a break. */
  open(fromByte: number): AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;
}

export interface BlobUploadOptions {
  readonly repository: RepositoryName;
  /** Bytes in one request; blobs up to this size travel in one. 64 MiB when absent; more where the registry asks for more. */
  readonly chunkBytes?: number;
  /** Told after each piece handed to the connection: the offset within the blob, which goes back after a break. */
  readonly onProgress?: (offsetBytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** An upload session at the registry. */
interface Upload {
  location: URL;
  /** Bytes that the registry has for certain. */
  offset: number;
  readonly minChunkBytes: number;
}

const defaultChunkBytes = 67_108_864;

/**
 * Pushes a blob. A broken connection is no failure: the upload's status is asked for, and the rest sent; where the registry has forgotten the
 * upload it begins again. Safe to repeat, also when the blob is there already. `DIGEST_INVALID` (of the registry) when the bytes are not what
 * the digest says; errors of the source pass through.
 */
export async function uploadBlob(
  session: RegistrySession,
  retry: RetryPolicy,
  source: BlobSource,
  options: BlobUploadOptions,
): Promise<void> {
  let upload = await startUpload(session, options);
  let failures = 0;
  for (;;) {
    const before = upload.offset;
    const failure = await sendRest(session, source, options, upload);
    if (failure === undefined) return;
    failures = upload.offset > before ? 1 : failures + 1;
    const delayMs = retryDelayMs(retry, failures, undefined);
    if (delayMs === undefined) throw failure;
    await pause(delayMs, options.signal);
    // The closing request may have been carried out although its answer was lost.
    if (await hasBlob(session, source.digest, options)) return;
    upload = (await findOffset(session, upload, options)) ?? (await startUpload(session, options));
  }
}

async function startUpload(session: RegistrySession, options: BlobUploadOptions): Promise<Upload> {
  const { repository, signal } = options;
  const target = `/v2/${repository}/blobs/uploads/`;
  const response = await session.request({
    method: "POST",
    target,
    ...common(options, "begin an upload to"),
    accept: [202],
    headers: { "content-length": "0" },
    signal,
  });
  await response.body.dump();
  return {
    location: locationOf(session, response.header("location"), target),
    offset: 0,
    minChunkBytes: Number(response.header("oci-chunk-min-length") ?? 0) || 0,
  };
}

function common(options: BlobUploadOptions, what: string) {
  const { repository } = options;
  return { scopes: [repositoryScope(repository, ["pull", "push"])], what: `${what} ${repository}` };
}

function locationOf(session: RegistrySession, location: string | undefined, target: string): URL {
  if (location === undefined) {
    throw new RegistryError(`${session.origin.host} began an upload without saying where`, {
      code: "BAD_ANSWER",
    });
  }
  return session.resolve(location, session.resolve(target));
}

/** Sends what is missing and closes. The failure when it may go on after a break; everything else is thrown. */
async function sendRest(
  session: RegistrySession,
  source: BlobSource,
  options: BlobUploadOptions,
  upload: Upload,
): Promise<RegistryError | undefined> {
  const chunkBytes = Math.max(options.chunkBytes ?? defaultChunkBytes, upload.minChunkBytes);
  const reader = createByteReader(await source.open(upload.offset));
  const sourceErrors: unknown[] = [];
  const send = (sizeBytes: number) => () =>
    Readable.from(counted(reader, upload.offset, sizeBytes, options, sourceErrors), { objectMode: false });
  try {
    const isOneRequest = upload.offset === 0 && source.sizeBytes <= chunkBytes;
    while (!isOneRequest && upload.offset < source.sizeBytes) {
      const sizeBytes = Math.min(chunkBytes, source.sizeBytes - upload.offset);
      const end = upload.offset + sizeBytes;
      const response = await session.request({
        method: "PATCH",
        target: upload.location,
        ...common(options, "send a blob to"),
        accept: [202],
        headers: {
          "content-type": "application/octet-stream",
          "content-length": String(sizeBytes),
          // distribution-spec, "Pushing a blob in chunks": the range is inclusive and has no unit.
          "content-range": `${upload.offset}-${end - 1}`,
        },
        body: send(sizeBytes),
        mayRepeat: false,
        signal: options.signal,
      });
      await response.body.dump();
      const location = response.header("location");
      if (location !== undefined) upload.location = session.resolve(location, upload.location);
      upload.offset = end;
    }
    await close(session, source, options, upload, isOneRequest ? send(source.sizeBytes) : undefined);
    return undefined;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (sourceErrors.length > 0) throw sourceErrors[0];
    if (mayResume(error)) return error;
    throw error;
  } finally {
    await reader.close().catch(() => undefined);
  }
}

async function close(
  session: RegistrySession,
  source: BlobSource,
  options: BlobUploadOptions,
  upload: Upload,
  body: (() => Readable) | undefined,
): Promise<void> {
  const target = new URL(upload.location);
  target.searchParams.append("digest", source.digest);
  const response = await session.request({
    method: "PUT",
    target,
    ...common(options, "store a blob in"),
    accept: [201, 204],
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(body === undefined ? 0 : source.sizeBytes),
    },
    ...(body && { body }),
    mayRepeat: false,
    signal: options.signal,
  });
  await response.body.dump();
}

/** A break, an overloaded registry, or an offset that is not the registry's: the upload's status tells how to go on. */
function mayResume(error: unknown): error is RegistryError {
  if (!(error instanceof RegistryError)) return false;
  if (error.code === "UNREACHABLE" || error.status === 416) return true;
  return (
    error.status !== undefined && (isPassingStatus(error.status) || error.code === "BLOB_UPLOAD_UNKNOWN")
  );
}

async function* counted(
  reader: ByteReader,
  from: number,
  sizeBytes: number,
  options: BlobUploadOptions,
  sourceErrors: unknown[],
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = from;
  try {
    for await (const chunk of reader.take(sizeBytes)) {
      yield chunk;
      offset += chunk.byteLength;
      options.onProgress?.(offset);
    }
    if (offset < from + sizeBytes) {
      throw new RegistryError(`the source has only ${offset} bytes, not ${from + sizeBytes}`, {
        code: "SIZE_INVALID",
      });
    }
  } catch (error) {
    sourceErrors.push(error);
    throw error;
  }
}

/** What the registry has of an upload; undefined when it knows it no more, or does not say. */
async function findOffset(
  session: RegistrySession,
  upload: Upload,
  options: BlobUploadOptions,
): Promise<Upload | undefined> {
  try {
    const response = await session.request({
      method: "GET",
      target: upload.location,
      ...common(options, "ask for an upload to"),
      accept: [204, 202, 200],
      signal: options.signal,
    });
    await response.body.dump();
    const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(response.header("range") ?? "") ?? [];
    // distribution-spec: `0-0` says one byte, and registries say it of none, too. Then nothing is lost by a new upload.
    if (last === undefined || last === "0") return undefined;
    const location = response.header("location");
    return {
      ...upload,
      offset: Number(last) + 1,
      location: location === undefined ? upload.location : session.resolve(location, upload.location),
    };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof RegistryError && error.code !== "UNREACHABLE") return undefined;
    throw error;
  }
}

async function hasBlob(
  session: RegistrySession,
  digest: Digest,
  options: BlobUploadOptions,
): Promise<boolean> {
  const { repository, signal } = options;
  try {
    const response = await session.request({
      method: "HEAD",
      target: `/v2/${repository}/blobs/${digest}`,
      ...common(options, `look for blob ${digest} in`),
      accept: [200],
      signal,
    });
    await response.body.dump();
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
