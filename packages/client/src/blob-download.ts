import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { verifyWhileStreaming } from "./content-hash.ts";
import type { HttpResponse } from "./http-transport.ts";
import { RegistryError } from "./registry-error.ts";
import { type RegistrySession, repositoryScope } from "./registry-session.ts";
import { isBrokenConnection, pause, type RetryPolicy, retryDelayMs } from "./retry-policy.ts";

/** A blob on its way here. */
export interface BlobDownload {
  /** Of the whole blob; undefined when the registry does not tell. */
  readonly sizeBytes: number | undefined;
  /**
   * The bytes from the offset that was asked for. When the connection breaks, the rest is asked for by a range. Throws at the end when a whole
   * blob does not have its digest, so nothing may be committed before the end. Can be read once; leaving it early ends the transfer.
   */
  readonly chunks: AsyncGenerator<Uint8Array, void, undefined>;
}

export interface BlobRequest {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  /** The first byte wanted; 0 when absent. A part cannot be checked against the digest: whoever puts parts together must. */
  readonly fromByte?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Begins to read a blob. 404 when it is not in the repository. */
export async function downloadBlob(
  session: RegistrySession,
  retry: RetryPolicy,
  request: BlobRequest,
): Promise<BlobDownload> {
  const fromByte = request.fromByte ?? 0;
  const first = await openAt(session, request, fromByte);
  const chunks = resumingChunks(session, retry, request, first);
  return {
    sizeBytes: first.sizeBytes,
    chunks: fromByte === 0 ? verifyWhileStreaming(chunks, request.digest, session.origin.host) : chunks,
  };
}

interface OpenBlob {
  readonly response: HttpResponse;
  /** Bytes to pass over, where a registry sends the whole although a part was asked for. */
  readonly skipBytes: number;
  readonly sizeBytes: number | undefined;
}

async function openAt(session: RegistrySession, request: BlobRequest, offset: number): Promise<OpenBlob> {
  const { repository, digest, signal } = request;
  const response = await session.request({
    method: "GET",
    target: `/v2/${repository}/blobs/${digest}`,
    scopes: [repositoryScope(repository, ["pull"])],
    what: `read blob ${digest} of ${repository}`,
    accept: [200, 206],
    headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
    signal,
  });
  if (response.status === 206) {
    const [, start, size] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.header("content-range") ?? "") ?? [];
    if (Number(start) !== offset) {
      response.body.destroy();
      throw new RegistryError(`${session.origin.host} answered with another range than was asked for`, {
        code: "BAD_ANSWER",
      });
    }
    return {
      response,
      skipBytes: 0,
      sizeBytes: size === undefined || size === "*" ? undefined : Number(size),
    };
  }
  const length = response.header("content-length");
  return { response, skipBytes: offset, sizeBytes: length === undefined ? undefined : Number(length) };
}

async function* resumingChunks(
  session: RegistrySession,
  retry: RetryPolicy,
  request: BlobRequest,
  first: OpenBlob,
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = request.fromByte ?? 0;
  let open = first;
  let failures = 0;
  for (;;) {
    try {
      for await (const chunk of skip(open)) {
        offset += chunk.byteLength;
        failures = 0;
        yield chunk;
      }
      if (open.sizeBytes === undefined || offset >= open.sizeBytes) return;
      throw Object.assign(new Error("the answer ended early"), { code: "UND_ERR_SOCKET" });
    } catch (error) {
      request.signal?.throwIfAborted();
      if (error instanceof RegistryError || !isBrokenConnection(error)) throw error;
      if (offset === open.sizeBytes) return;
      // Only failures without a byte between them count: a slow link that breaks often still gets there.
      failures++;
      const delayMs = retryDelayMs(retry, failures, undefined);
      if (delayMs === undefined) {
        throw new RegistryError(
          `${session.origin.host} breaks off blob ${request.digest} after ${offset} bytes again and again`,
          { code: "UNREACHABLE", cause: error },
        );
      }
      await pause(delayMs, request.signal);
    }
    open = await openAt(session, request, offset);
  }
}

async function* skip(open: OpenBlob): AsyncGenerator<Uint8Array, void, undefined> {
  let left = open.skipBytes;
  for await (const chunk of open.response.body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("a body without encoding gives bytes");
    if (chunk.byteLength <= left) left -= chunk.byteLength;
    else {
      yield left === 0 ? chunk : chunk.subarray(left);
      left = 0;
    }
  }
}
