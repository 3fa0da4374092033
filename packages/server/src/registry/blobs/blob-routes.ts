import { parseByteRanges } from "@entrepot/oci/byte-range";
import { type Digest, parseDigest } from "@entrepot/oci/digest";
import { parseRepositoryName, type RepositoryName } from "@entrepot/oci/repository-name";
import { type Call, type Endpoint, endpoint, type Reply } from "../../http/endpoint.ts";
import { isNotModified } from "../../http/is-not-modified.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { tagLimitsOf } from "../tag-limits/tag-limits.ts";
import type { LinkedBlob } from "./blob-cache.ts";
import { deleteBlob } from "./delete-blob.ts";
import { blobUnknown, confirmLinkedBlob, getLinkedBlob, openLinkedBlob } from "./open-linked-blob.ts";
import { redirectBlob } from "./redirect-blob.ts";

const path = "/v2/{name}/blobs/{digest}";
const contentType = "application/octet-stream";
const cacheControl = "private, max-age=31536000, immutable";

/** end-2 and end-10 of the distribution-spec. */
export function blobEndpoints(deps: RegistryDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "blobs.get",
      method: "GET",
      path,
      can: { who: "repository", action: "pull" },
      summary: "Read a blob, whole or by ranges.",
      honoursTagLimits: true,
      handle: async (call, request) => {
        const repository = parseRepositoryName(request.params["name"] ?? "");
        const digest = parseDigest(request.params["digest"] ?? "");
        await checkReadable(deps, call, { repository, digest, addressedAs: request.addressedAs });
        const blob = await getLinkedBlob(deps, repository, digest);
        if (isNotModified(request.headers, digest)) return { status: 304, headers: headersOf(blob) };
        const asked = parseByteRanges(rangeHeader(request.headers, digest), blob.sizeBytes);
        if (asked.kind === "unsatisfiable") return unsatisfiable(blob);
        // An object store answers one range, not several. HEAD is never redirected: addresses are signed for GET.
        if (asked.kind !== "ranges" || asked.ranges.length === 1) {
          const location = await redirectBlob(deps, call, blob, { contentType, cacheControl });
          if (location !== undefined) return redirectTo(location, blob);
        }
        const reader = await openLinkedBlob(deps, blob);
        const ranges = asked.kind === "ranges" ? asked.ranges : undefined;
        return {
          status: ranges === undefined ? 200 : 206,
          headers: headersOf(blob),
          body: { kind: "blob", reader, ranges, contentType },
        };
      },
    }),
    endpoint({
      id: "blobs.head",
      method: "HEAD",
      path,
      can: { who: "repository", action: "pull" },
      summary: "Whether a blob is there, and its size.",
      honoursTagLimits: true,
      handle: async (call, request) => {
        const repository = parseRepositoryName(request.params["name"] ?? "");
        const digest = parseDigest(request.params["digest"] ?? "");
        await checkReadable(deps, call, { repository, digest, addressedAs: request.addressedAs });
        const blob = await confirmLinkedBlob(deps, repository, digest);
        return {
          status: 200,
          headers: { ...headersOf(blob), "content-type": contentType, "content-length": blob.sizeBytes },
        };
      },
    }),
    endpoint({
      id: "blobs.delete",
      method: "DELETE",
      path,
      can: { who: "repository", action: "delete" },
      summary: "Take a blob out of the repository.",
      handle: async (call, request) => {
        const repository = parseRepositoryName(request.params["name"] ?? "");
        await deleteBlob(deps, call, { repository, digest: parseDigest(request.params["digest"] ?? "") });
        return { status: 202, headers: { "content-length": 0 } };
      },
    }),
  ];
}

/** `BLOB_UNKNOWN` for what lies outside the tags that the credential is limited to. */
async function checkReadable(
  deps: RegistryDeps,
  { actor }: Call,
  target: {
    readonly repository: RepositoryName;
    readonly digest: Digest;
    readonly addressedAs: string | undefined;
  },
): Promise<void> {
  const limits = tagLimitsOf(deps, actor, "pull", target);
  if (limits === undefined || (await limits.reaches(target.digest))) return;
  throw blobUnknown(target.repository, target.digest);
}

function headersOf(blob: LinkedBlob): Record<string, string> {
  return {
    "docker-content-digest": blob.digest,
    etag: `"${blob.digest}"`,
    "cache-control": cacheControl,
    "accept-ranges": "bytes",
  };
}

/** The address ends soon, so nobody may keep it; the bytes behind it may be kept. */
function redirectTo(location: string, blob: LinkedBlob): Reply {
  return {
    status: 307,
    headers: { ...headersOf(blob), "cache-control": "no-store", location, "content-length": 0 },
  };
}

// RFC 9110, 13.1.5: a range whose If-Range does not match is answered with the whole.
function rangeHeader(headers: { readonly [name: string]: string | string[] | undefined }, digest: string) {
  const range = headers["range"];
  const ifRange = headers["if-range"];
  if (typeof range !== "string" || (ifRange !== undefined && ifRange !== `"${digest}"`)) return undefined;
  return range;
}

function unsatisfiable(blob: LinkedBlob): Reply {
  return {
    status: 416,
    headers: { "content-range": `bytes */${blob.sizeBytes}` },
    body: {
      kind: "json",
      value: {
        errors: [
          { code: "SIZE_INVALID", message: `the blob has ${blob.sizeBytes} bytes; the range lies outside` },
        ],
      },
    },
  };
}
