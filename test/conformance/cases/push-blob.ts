import { unsupported } from "../case-problem.ts";
import { expectLocation, expectReply } from "../expectations.ts";
import type { PushMethod } from "../run-context.ts";
import type { BlobPush } from "./blob-upload.ts";
import {
  blobContentType,
  closeUpload,
  expectStoredOrRefused,
  openUpload,
  withDigest,
} from "./blob-upload.ts";
import { pushInChunks } from "./push-blob-in-chunks.ts";

/** Pushes a blob by one method and verifies that the returned location can be pulled. Throws what `expectReply` throws. */
export async function pushBlob(method: PushMethod, push: BlobPush): Promise<void> {
  switch (method) {
    case "post-only":
      return pushByPostOnly(push);
    case "post-put":
      return pushByPostPut(push);
    case "patch-stream":
      return pushByStream(push);
    case "patch-chunked":
      return pushInChunks(push, { closesWithChunk: false, isOutOfOrder: false });
  }
}

async function pushByPostOnly(push: BlobPush): Promise<void> {
  const { run, blob, log } = push;
  const url = withDigest(run.client.urlOf(`${push.repository}/blobs/uploads/`), blob.digest);
  const reply = await run.client.send(
    { method: "POST", url, headers: [blobContentType], body: blob.bytes },
    log,
  );
  if (reply.status !== 202) return expectStoredOrRefused(push, reply, url);
  // distribution-spec, "Single POST": a registry without it answers as if an upload was opened.
  await closeUpload(push, expectLocation(reply, url), blob.bytes);
  throw unsupported("a single POST was answered 202: its content was not taken, a PUT was needed");
}

async function pushByPostPut(push: BlobPush): Promise<void> {
  const [location] = await openUpload(push);
  await closeUpload(push, location, push.blob.bytes);
}

async function pushByStream(push: BlobPush): Promise<void> {
  const [location] = await openUpload(push);
  const reply = await push.run.client.send(
    { method: "PATCH", url: location, headers: [blobContentType], body: push.blob.bytes, framing: "chunked" },
    push.log,
  );
  expectReply(reply, { status: [202] });
  await closeUpload(push, expectLocation(reply, location));
}
