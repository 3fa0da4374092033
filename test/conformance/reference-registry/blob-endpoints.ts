import { Buffer } from "node:buffer";
import type { ContentStore } from "./content-store.ts";
import { covers, openUpload } from "./content-store.ts";
import type { RegistryReply, RegistryRequest } from "./registry-message.ts";
import { errorReply, requestHeader } from "./registry-message.ts";

/** GET, HEAD and DELETE of a blob (end-2, end-10). */
export function answerBlob(
  store: ContentStore,
  name: string,
  digest: string,
  request: RegistryRequest,
): RegistryReply {
  const { blobs } = store.repository(name);
  const bytes = blobs.get(digest);
  if (bytes === undefined) return errorReply(404, "BLOB_UNKNOWN");
  if (request.method === "DELETE") {
    blobs.delete(digest);
    return { status: 202 };
  }
  const headers = { "Docker-Content-Digest": digest, "Content-Type": "application/octet-stream" };
  const range = /^bytes=(\d*)-(\d*)$/.exec(requestHeader(request, "range") ?? "");
  if (range === null) return { status: 200, headers, body: bytes };
  const [, from = "", to = ""] = range;
  const first = from === "" ? Math.max(0, bytes.length - Number(to)) : Number(from);
  const last = from === "" || to === "" ? bytes.length - 1 : Math.min(Number(to), bytes.length - 1);
  if (first > last) return errorReply(416, "UNSUPPORTED");
  const contentRange = { "Content-Range": `bytes ${first}-${last}/${bytes.length}` };
  return { status: 206, headers: { ...headers, ...contentRange }, body: bytes.subarray(first, last + 1) };
}

/** POST: a mount, a single POST, or a new upload (end-4a, end-4b, end-11). */
export function answerNewUpload(store: ContentStore, name: string, request: RegistryRequest): RegistryReply {
  const mount = request.query.get("mount");
  const mounted = mount === null ? undefined : store.findBlob(mount, request.query.get("from") ?? undefined);
  if (mount !== null && mounted !== undefined) return storeBlob(store, name, mount, mounted);
  const digest = request.query.get("digest");
  if (digest !== null) return storeBlob(store, name, digest, request.body);
  return { status: 202, headers: uploadHeaders(name, openUpload(store.repository(name)), 0) };
}

/** GET, PATCH, PUT and DELETE of an upload (end-5, end-6, end-13, end-14). */
export function answerUpload(
  store: ContentStore,
  name: string,
  id: string,
  request: RegistryRequest,
): RegistryReply {
  const { uploads } = store.repository(name);
  const received = uploads.get(id);
  if (received === undefined) return errorReply(404, "BLOB_UPLOAD_UNKNOWN");
  if (request.method === "GET") return { status: 204, headers: uploadHeaders(name, id, received.length) };
  if (request.method === "DELETE") {
    uploads.delete(id);
    return { status: 204 };
  }
  const contentRange = requestHeader(request, "content-range");
  if (contentRange !== undefined && Number(contentRange.split("-")[0]) !== received.length) {
    return errorReply(416, "BLOB_UPLOAD_INVALID");
  }
  const bytes = Buffer.concat([received, request.body]);
  if (request.method === "PATCH") {
    uploads.set(id, bytes);
    return { status: 202, headers: uploadHeaders(name, id, bytes.length) };
  }
  uploads.delete(id);
  return storeBlob(store, name, request.query.get("digest") ?? "", bytes);
}

function storeBlob(store: ContentStore, name: string, digest: string, bytes: Buffer): RegistryReply {
  if (!covers(digest, bytes)) return errorReply(400, "DIGEST_INVALID");
  store.repository(name).blobs.set(digest, bytes);
  return {
    status: 201,
    headers: { Location: `/v2/${name}/blobs/${digest}`, "Docker-Content-Digest": digest },
  };
}

function uploadHeaders(name: string, id: string, sizeBytes: number): Readonly<Record<string, string>> {
  return { Location: `/v2/${name}/blobs/uploads/${id}`, Range: `0-${Math.max(0, sizeBytes - 1)}` };
}
