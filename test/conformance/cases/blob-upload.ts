import { failure } from "../case-problem.ts";
import type { Content } from "../data-sets/data-set.ts";
import { expectDigestHeader, expectLocation, expectReply } from "../expectations.ts";
import type { HeaderLine, HttpReply } from "../http-exchange.ts";
import { mediaTypes } from "../media-types.ts";
import type { ExchangeLog } from "../registry-client.ts";
import type { RunContext } from "../run-context.ts";

/** A blob on its way to a repository. */
export interface BlobPush {
  readonly run: RunContext;
  readonly repository: string;
  readonly blob: Content;
  /** The bytes do not match the digest: the request that carries the digest must be refused with 400. */
  readonly isDigestWrong: boolean;
  readonly log: ExchangeLog;
}

/** Bytes as they are, the only `Content-Type` that blob uploads use. */
export const blobContentType: HeaderLine = ["Content-Type", mediaTypes.octetStream];

/** distribution-spec, "POST then PUT": opens an upload. Resolves with its location and the reply. */
export async function openUpload(push: Omit<BlobPush, "blob" | "isDigestWrong">): Promise<[URL, HttpReply]> {
  const url = push.run.client.urlOf(`${push.repository}/blobs/uploads/`);
  const reply = await push.run.client.send({ method: "POST", url }, push.log);
  expectReply(reply, { status: [202] });
  return [expectLocation(reply, url), reply];
}

/** Closes an upload by PUT with the digest, and verifies the answer. `body` and `headers` may carry a last chunk. */
export async function closeUpload(
  push: BlobPush,
  location: URL,
  body?: Uint8Array,
  headers: readonly HeaderLine[] = [],
): Promise<void> {
  const url = withDigest(location, push.blob.digest);
  const reply = await push.run.client.send(
    { method: "PUT", url, headers: [blobContentType, ...headers], ...(body && { body }) },
    push.log,
  );
  await expectStoredOrRefused(push, reply, url);
}

/**
 * The answer to a request that completes a blob: 201, the right digest header and a location from which the blob can be
 * pulled, or 400 when the digest is wrong.
 */
export async function expectStoredOrRefused(push: BlobPush, reply: HttpReply, url: URL): Promise<void> {
  if (push.isDigestWrong) return expectReply(reply, { status: [400] });
  expectReply(reply, { status: [201] });
  expectDigestHeader(reply, push.blob.digest, push.run.profile.requiresDigestHeader);
  await expectPullable(push, expectLocation(reply, url));
}

/** The location of a 201 is one from which the blob can be pulled. */
export async function expectPullable(push: BlobPush, location: URL): Promise<void> {
  const reply = await push.run.client.send({ method: "GET", url: location }, push.log);
  try {
    expectReply(reply, { status: [200], body: push.blob.bytes });
  } catch (cause) {
    throw failure(`the returned Location is not pullable: ${cause instanceof Error ? cause.message : ""}`, {
      cause,
    });
  }
}

/** Adds the digest to whatever query a location already has. */
export function withDigest(location: URL, digest: string): URL {
  const url = new URL(location);
  url.searchParams.set("digest", digest);
  return url;
}
