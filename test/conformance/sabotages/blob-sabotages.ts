import { Buffer } from "node:buffer";
import { contentDigest } from "../content-digest.ts";
import type { SabotageCase } from "./sabotage-case.ts";
import {
  answerInstead,
  changeDeletes,
  changeReplies,
  endpointOf,
  withHeaders,
  withoutHeaders,
} from "./sabotage-case.ts";

const outOfOrder = /^sha\d+ blobs\/chunked out-of-order( and put chunk)?\/blob-patch-chunked$/;
const everyPush = /^(?!.* blobs\/bad digest).*\/blob-(post-put|post-only|patch-stream|patch-chunked)$/;
const mountMissing = /^sha\d+ blobs\/mount missing\/blob-mount$/;
const isRead = (method: string): boolean => method === "GET" || method === "HEAD";
const emptyDigests = [contentDigest("sha256", Buffer.alloc(0)), contentDigest("sha512", Buffer.alloc(0))];

/** Faults in reading, pushing, mounting and deleting blobs. */
export const blobSabotages: readonly SabotageCase[] = [
  {
    name: "answers 202 to an out-of-order chunk",
    sabotage: changeReplies(
      (request, reply) => endpointOf(request.path) === "uploads" && reply.status === 416,
      (_, request) => ({ status: 202, headers: { Location: request.path, Range: "0-0" } }),
    ),
    fails: [outOfOrder],
    failCount: 4,
  },
  {
    name: "throws the upload away after an out-of-order chunk",
    sabotage: (request, next) => {
      const reply = next(request);
      if (reply.status === 416 && endpointOf(request.path) === "uploads")
        next({ ...request, method: "DELETE" });
      return reply;
    },
    fails: [outOfOrder],
    failCount: 4,
  },
  {
    name: "answers 400 to an out-of-order PUT only",
    sabotage: changeReplies(
      (request, reply) => request.method === "PUT" && reply.status === 416,
      (reply) => ({ ...reply, status: 400 }),
    ),
    fails: [/blobs\/chunked out-of-order and put chunk\/blob-patch-chunked$/],
    failCount: 2,
  },
  {
    name: "tells a wrong last byte in the upload status",
    sabotage: changeReplies(
      (request, reply) => request.method === "GET" && reply.status === 204,
      (reply) => withHeaders(reply, { Range: "0-5" }),
    ),
    fails: [outOfOrder],
    failCount: 4,
  },
  {
    name: "gives no Location in the upload status",
    sabotage: changeReplies(
      (request, reply) => request.method === "GET" && reply.status === 204,
      (reply) => withoutHeaders(reply, "Location"),
    ),
    fails: [outOfOrder],
    failCount: 4,
  },
  {
    name: "needs Content-Length on PATCH",
    sabotage: answerInstead(
      (request) => request.method === "PATCH" && request.headers["content-length"] === undefined,
      { status: 411 },
    ),
    fails: [/blobs\/(stream|bad digest stream)\/blob-patch-stream$/],
    failCount: 4,
  },
  {
    name: "takes blobs that do not match their digest",
    sabotage: changeReplies(
      (request, reply) => endpointOf(request.path) === "uploads" && reply.status === 400,
      (reply) => ({ ...reply, status: 201 }),
    ),
    fails: [/blobs\/bad digest/],
    failCount: 10,
  },
  {
    name: "does not support content in a single POST",
    sabotage: (request, next) => {
      if (request.method !== "POST" || !request.query.has("digest")) return next(request);
      return next({ ...request, query: new URLSearchParams(), body: Buffer.alloc(0) });
    },
    fails: [],
    failCount: 0,
    // Twice "post only" and "bad digest post only".
    skipCount: 4,
  },
  {
    name: "refuses the empty blob",
    sabotage: answerInstead(
      ({ method, query }) =>
        ["PUT", "POST"].includes(method) && emptyDigests.includes(query.get("digest") ?? ""),
      { status: 400 },
    ),
    fails: [/^sha\d+ blobs\/empty\/blob-(?!delete)/],
    failCount: 12,
  },
  {
    name: "sends a wrong digest header on blob reads",
    sabotage: changeReplies(
      (request, reply) =>
        endpointOf(request.path) === "blobs" && isRead(request.method) && reply.status === 200,
      (reply) => withHeaders(reply, { "Docker-Content-Digest": emptyDigests.join() }),
    ),
    fails: [/\/blob-(head|get)$/],
    failCount: 226,
  },
  {
    name: "sends a sha256 digest header for sha512 blobs",
    sabotage: changeReplies(
      (request, reply) =>
        request.path.includes("/blobs/sha512:") && isRead(request.method) && reply.status === 200,
      (reply) =>
        withHeaders(reply, {
          "Docker-Content-Digest": contentDigest("sha256", reply.body ?? Buffer.alloc(0)),
        }),
    ),
    fails: [/^(sha512 blobs|sha512|tag-param-sha512)\/.*\/blob-(head|get)$/],
    failCount: 50,
  },
  {
    name: "sends no digest header on the 201 of a blob push",
    sabotage: changeReplies(
      (request, reply) => endpointOf(request.path) === "uploads" && reply.status === 201,
      (reply) => withoutHeaders(reply, "Docker-Content-Digest"),
    ),
    fails: [everyPush, mountMissing],
    failCount: 414,
    skipCount: 12,
  },
  {
    name: "returns a Location from which a pushed blob cannot be pulled",
    sabotage: changeReplies(
      (request, reply) => endpointOf(request.path) === "uploads" && reply.status === 201,
      (reply) => withHeaders(reply, { Location: `/v2/elsewhere/blobs/${emptyDigests.join()}` }),
    ),
    fails: [everyPush, mountMissing, /blobs\/mount( anonymous)?\/blob-mount(-anonymous)?$/],
    failCount: 418,
    skipCount: 12,
  },
  {
    name: "answers 201 to the mount of a blob that does not exist",
    sabotage: changeReplies(
      (request, reply) => request.query.has("mount") && reply.status === 202,
      (_, request) => ({
        status: 201,
        headers: { Location: `${request.path}/../${request.query.get("mount")}` },
      }),
    ),
    fails: [mountMissing],
    failCount: 2,
  },
  {
    name: "answers 404 to the mount of a blob that does not exist",
    sabotage: changeReplies(
      (request, reply) => request.query.has("mount") && reply.status === 202,
      () => ({ status: 404 }),
    ),
    fails: [mountMissing],
    failCount: 2,
  },
  {
    name: "never mounts",
    sabotage: (request, next) =>
      next(request.query.has("mount") ? { ...request, query: new URLSearchParams() } : request),
    fails: [],
    failCount: 0,
    skipCount: 4,
  },
  {
    name: "cannot cancel uploads",
    sabotage: answerInstead(({ method, path }) => method === "DELETE" && endpointOf(path) === "uploads", {
      status: 405,
    }),
    fails: [/blobs\/post cancel\/blob-post-cancel$/],
    failCount: 2,
  },
  {
    name: "sends a wrong length with HEAD of a blob",
    sabotage: changeReplies(
      (request, reply) =>
        endpointOf(request.path) === "blobs" && request.method === "HEAD" && reply.status === 200,
      (reply) => withHeaders(reply, { "Content-Length": String((reply.body?.length ?? 0) + 1) }),
    ),
    fails: [/\/blob-head$/],
    failCount: 113,
  },
  {
    name: "ends a range one byte late",
    sabotage: changeReplies(
      (_, reply) => reply.status === 206,
      (reply) => withHeaders(reply, { "Content-Range": "bytes 500-1500/2048" }),
    ),
    fails: [/range requests\/range (500-1499|500-|-500|2000-5000)$/],
    failCount: 8,
  },
  {
    name: "answers 206 with the bytes before the range",
    sabotage: changeReplies(
      (_, reply) => reply.status === 206,
      (reply) => ({ ...reply, body: Buffer.alloc(reply.body?.length ?? 0) }),
    ),
    fails: [/range requests\/range (500-1499|500-|-500|2000-5000)$/],
    failCount: 8,
  },
  {
    name: "answers 404 to a range that cannot be satisfied",
    sabotage: changeReplies(
      (request, reply) => request.method === "GET" && reply.status === 416,
      () => ({ status: 404 }),
    ),
    fails: [/range requests\/range (500-0|5000-10000)$/],
    failCount: 4,
  },
  {
    name: "ignores ranges",
    sabotage: (request, next) => next({ ...request, headers: { ...request.headers, range: undefined } }),
    fails: [],
    failCount: 0,
    skipCount: 12,
  },
  {
    name: "answers 500 to GET of a blob it does not have",
    sabotage: changeReplies(
      ({ method, path }, reply) => method === "GET" && endpointOf(path) === "blobs" && reply.status === 404,
      () => ({ status: 500 }),
    ),
    fails: [/^sha\d+ blobs\/get-missing$/],
    failCount: 2,
  },
  {
    name: "goes on serving deleted blobs",
    sabotage: changeDeletes("blobs", 202),
    fails: [/^(?!.*post cancel).*\/blob-delete$/],
    failCount: 121,
  },
  {
    name: "does not delete blobs",
    sabotage: changeDeletes("blobs", 405),
    fails: [],
    failCount: 0,
    skipCount: 246,
  },
];
