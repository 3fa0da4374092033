import { Buffer } from "node:buffer";
import { arrayOf, parseJson, propertyOf } from "../json-value.ts";
import type { Handler, RegistryRequest } from "../reference-registry/registry-message.ts";
import type { SabotageCase } from "./sabotage-case.ts";
import {
  answerInstead,
  changeDeletes,
  changeReplies,
  endpointOf,
  withHeaders,
  withoutHeaders,
} from "./sabotage-case.ts";

const oneMebibyte = 1_048_576;
const pushes = /^(?!bad-digest-image).*\/push\/manifest-by-(digest|tag)$/;
/**
 * When a push by digest with tags does not pass, the tags are pushed one by one; a registry then files the manifest by its
 * sha256 digest, which is not the one that was pushed.
 */
const sha512ByTag = /^tag-param-sha512\/(head|pull)\/manifest-(head-)?by-tag$/;
const reads = /^.*\/(head|pull)\/manifest-/;

/** Faults in pushing, reading and deleting manifests. */
export const manifestSabotages: readonly SabotageCase[] = [
  {
    name: "sends no OCI-Subject",
    sabotage: changeReplies(
      (request) => request.method === "PUT",
      (reply) => withoutHeaders(reply, "OCI-Subject"),
    ),
    fails: [/^missing-subject\/push\/manifest-by-digest$/, /\/push\/manifest-by-tag tagged-artifact/],
    failsInPart: [/^(artifacts|index)-with-subject\/push\/manifest-by-digest$/],
    failCount: 11,
  },
  {
    name: "adds a parameter to the Content-Type of manifests",
    sabotage: changeReplies(
      (request, reply) => endpointOf(request.path) === "manifests" && reply.status === 200,
      (reply) =>
        withHeaders(reply, { "Content-Type": `${String(reply.headers?.["Content-Type"])}; charset=utf-8` }),
    ),
    fails: [pushes, reads],
    failCount: 231,
  },
  {
    name: "writes manifests anew instead of keeping their bytes",
    sabotage: changeReplies(
      (request, reply) =>
        request.method === "GET" && endpointOf(request.path) === "manifests" && reply.status === 200,
      (reply) => ({ ...reply, body: Buffer.from(JSON.stringify(parseJson(reply.body ?? Buffer.alloc(0)))) }),
    ),
    fails: [sha512ByTag, pushes, /^.*\/pull\/manifest-/],
    failCount: 158,
  },
  {
    name: "sends no digest header on manifest reads",
    sabotage: changeReplies(
      (request) => request.method !== "PUT" && endpointOf(request.path) === "manifests",
      (reply) => withoutHeaders(reply, "Docker-Content-Digest"),
    ),
    fails: [reads],
    failCount: 154,
  },
  {
    name: "sends a wrong digest header on manifest pushes",
    sabotage: changeReplies(
      (request, reply) =>
        request.method === "PUT" && endpointOf(request.path) === "manifests" && reply.status === 201,
      (reply) => withHeaders(reply, { "Docker-Content-Digest": `sha256:${"0".repeat(64)}` }),
    ),
    fails: [sha512ByTag, pushes],
    failCount: 85,
  },
  {
    name: "returns a Location from which a pushed manifest cannot be pulled",
    sabotage: changeReplies(
      (request, reply) => endpointOf(request.path) === "manifests" && reply.status === 201,
      (reply) => withHeaders(reply, { Location: "/v2/elsewhere/manifests/none" }),
    ),
    fails: [sha512ByTag, pushes],
    failCount: 85,
  },
  {
    name: "sends a wrong length with HEAD of a manifest",
    sabotage: changeReplies(
      ({ method, path }, reply) =>
        method === "HEAD" && endpointOf(path) === "manifests" && reply.status === 200,
      (reply) => withHeaders(reply, { "Content-Length": "1" }),
    ),
    fails: [/\/head\/manifest-/],
    failCount: 77,
  },
  {
    name: "refuses manifests above one mebibyte",
    sabotage: answerInstead(({ method, body }) => method === "PUT" && body.length > oneMebibyte, {
      status: 413,
    }),
    fails: [/^large-manifest\/(tag-list|(push|head|pull)\/manifest-.*)$/],
    failCount: 7,
  },
  {
    name: "refuses manifests that name layers or children it does not have",
    sabotage: (request, next) => (namesMissingContent(request, next) ? { status: 404 } : next(request)),
    fails: [/^sparse\/tag-list$/, /^sparse\/(push|head|pull)\/manifest-(head-)?by-tag$/],
    // One of its three manifests is complete.
    failsInPart: [/^sparse\/(push|head|pull)\/manifest-(head-)?by-digest$/],
    failCount: 13,
  },
  {
    name: "takes manifests that do not match their digest",
    sabotage: changeReplies(
      (request, reply) => endpointOf(request.path) === "manifests" && reply.status === 400,
      (reply) => ({ ...reply, status: 201 }),
    ),
    fails: [/^bad-digest-image\/push\/manifest-by-digest$/, /^invalid-digest-format\/manifest-put$/],
    failCount: 2,
  },
  {
    name: "answers 500 to a digest that is none",
    sabotage: answerInstead(({ path }) => path.endsWith("/manifests/sha256:baddigeststring"), {
      status: 500,
    }),
    fails: [/^invalid-digest-format\/manifest-(put|get)$/],
    failCount: 2,
  },
  {
    name: "answers 400 to GET of a manifest it does not have",
    sabotage: changeReplies(
      ({ method, path }, reply) =>
        method === "GET" && endpointOf(path) === "manifests" && reply.status === 404,
      () => ({ status: 400 }),
    ),
    fails: [/^missing-manifest\/by-(digest|tag)$/],
    failCount: 2,
  },
  {
    name: "drops tag parameters for sha256 manifests",
    sabotage: changeReplies(
      ({ method, path }) => method === "PUT" && path.includes("/manifests/sha256:"),
      (reply) => withoutHeaders(reply, "OCI-Tag"),
    ),
    fails: [],
    failCount: 0,
    skipCount: 3,
  },
  {
    name: "goes on serving manifests that were deleted by digest",
    sabotage: changeDeletes("manifests", 202, (path) => path.includes(":")),
    fails: [/^(?!bad-digest-image|invalid-digest-format).*\/manifest-delete$/],
    failCount: 48,
  },
  {
    name: "goes on serving deleted tags",
    sabotage: changeDeletes("manifests", 202, (path) => !path.includes(":")),
    fails: [/\/tag-delete$/],
    failCount: 29,
  },
  {
    name: "does not delete tags",
    sabotage: changeDeletes("manifests", 400, (path) => !path.includes(":")),
    fails: [],
    failCount: 0,
    skipCount: 58,
  },
];

/** What a strict registry would look up before it takes a manifest. */
function namesMissingContent(request: RegistryRequest, next: Handler): boolean {
  if (request.method !== "PUT" || endpointOf(request.path) !== "manifests") return false;
  const content = parseJson(request.body);
  const isMissing = (kind: "blobs" | "manifests", descriptor: unknown): boolean => {
    if (propertyOf(descriptor, "urls") !== undefined) return false;
    const path = request.path.replace(
      /manifests\/[^/]*$/,
      `${kind}/${String(propertyOf(descriptor, "digest"))}`,
    );
    return next({ ...request, method: "HEAD", path }).status === 404;
  };
  const layers = arrayOf(propertyOf(content, "layers")) ?? [];
  const children = arrayOf(propertyOf(content, "manifests")) ?? [];
  return (
    layers.some((layer) => isMissing("blobs", layer)) ||
    children.some((child) => isMissing("manifests", child))
  );
}
