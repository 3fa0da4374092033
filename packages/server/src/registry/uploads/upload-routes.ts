import type { Readable } from "node:stream";
import { parseContentRange } from "@entrepot/oci/byte-range";
import { type Digest, type DigestAlgorithm, parseDigest, parseDigestAlgorithm } from "@entrepot/oci/digest";
import {
  parseRepositoryName,
  type RepositoryName,
  tryParseRepositoryName,
} from "@entrepot/oci/repository-name";
import { bearerMark } from "../../http/bearer-mark.ts";
import { type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import { mountBlob } from "../blobs/mount-blob.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { appendToUpload } from "./append-to-upload.ts";
import { beginUpload } from "./begin-upload.ts";
import { cancelUpload } from "./cancel-upload.ts";
import { completeUpload } from "./complete-upload.ts";
import { getUpload, isGoneOnWith } from "./get-upload.ts";
import { pushBlob } from "./push-blob.ts";
import type { Chunk } from "./write-chunk.ts";

const collection = "/v2/{name}/blobs/uploads/";
const item = "/v2/{name}/blobs/uploads/{upload}";
const push = { who: "repository", action: "push" } as const;

/** end-4a, 4b, 4c, 5, 6, 11, 13, 14 of the distribution-spec. */
export function uploadEndpoints(deps: RegistryDeps): readonly Endpoint[] {
  // A slow upload outlives its token: what was permitted at its beginning may be finished. The manifest that names it is not.
  const goesOn: Endpoint["goesOn"] = async ({ name = "", upload: id = "" }, mark) => {
    const repository = tryParseRepositoryName(name);
    const isId = /^[0-9a-f-]{36}$/.test(id);
    return repository !== undefined && isId && isGoneOnWith(deps, { repository, id, mark });
  };
  return [
    endpoint({
      id: "uploads.begin",
      method: "POST",
      path: collection,
      can: push,
      honoursTagLimits: true,
      summary: "Start an upload, push a whole blob (`digest`), or mount one (`mount`, `from`).",
      query: [
        { name: "digest", form: "text", description: "the body is the whole blob, and this its digest" },
        { name: "mount", form: "text", description: "the digest of a blob to take over instead" },
        { name: "from", form: "text", description: "the repository that has it" },
        { name: "digest-algorithm", form: "text", description: "what the digest will be made with" },
      ],
      extraScopes: ({ query }) => {
        const source = tryParseRepositoryName(query.get("from") ?? "");
        return source === undefined ? [] : [{ type: "repository", name: source, actions: ["pull"] }];
      },
      handle: async (call, request) => {
        const repository = parseRepositoryName(request.params["name"] ?? "");
        const mount = request.query.get("mount");
        if (mount !== null) {
          const digest = parseDigest(mount);
          const from = tryParseRepositoryName(request.query.get("from") ?? "");
          if (await mountBlob(deps, call, { repository, digest, from })) return created(repository, digest);
        }
        const closing = request.query.get("digest");
        if (closing !== null && mount === null) {
          const digest = parseDigest(closing);
          await pushBlob(deps, call, { repository, digest }, chunkOf(request));
          return created(repository, digest);
        }
        const id = await beginUpload(deps, call, {
          repository,
          algorithm: hintedAlgorithm(request.query),
          begunWith: bearerMark(request.headers),
        });
        return accepted(repository, id, 0);
      },
    }),
    endpoint({
      id: "uploads.append",
      method: "PATCH",
      path: item,
      can: push,
      honoursTagLimits: true,
      goesOn,
      summary: "Append a chunk (`Content-Range: first-last`) or a streamed body to an upload.",
      handle: async (call, request) => {
        const target = targetOf(request);
        const sizeBytes = await appendToUpload(deps, call, target, chunkOf(request));
        return accepted(target.repository, target.id, sizeBytes);
      },
    }),
    endpoint({
      id: "uploads.complete",
      method: "PUT",
      path: item,
      can: push,
      honoursTagLimits: true,
      goesOn,
      summary: "Close an upload with the digest of the whole blob; the body may be the last chunk.",
      query: [{ name: "digest", form: "text", description: "the digest of the whole blob" }],
      handle: async (call, request) => {
        const target = targetOf(request);
        const text = request.query.get("digest");
        if (text === null) {
          throw new AppError(
            "DIGEST_INVALID",
            "closing an upload needs the blob's digest: PUT …?digest=sha256:…",
          );
        }
        const digest = parseDigest(text);
        const chunk = hasBody(request) ? chunkOf(request) : undefined;
        await completeUpload(deps, call, { ...target, digest }, chunk);
        return created(target.repository, digest);
      },
    }),
    endpoint({
      id: "uploads.get",
      method: "GET",
      path: item,
      can: push,
      honoursTagLimits: true,
      goesOn,
      summary: "How many bytes of an upload have arrived.",
      handle: async (_call, request) => {
        const target = targetOf(request);
        const upload = await getUpload(deps, target);
        return { ...accepted(target.repository, target.id, upload.offsetBytes), status: 204 };
      },
    }),
    endpoint({
      id: "uploads.cancel",
      method: "DELETE",
      path: item,
      can: push,
      honoursTagLimits: true,
      summary: "Cancel an upload and drop its bytes.",
      handle: async (call, request) => {
        await cancelUpload(deps, call, targetOf(request));
        return { status: 204 };
      },
    }),
  ];
}

// All state is in the path: real clients drop or replace the query of a Location.
function accepted(repository: RepositoryName, id: UploadId, sizeBytes: number): Reply {
  return {
    status: 202,
    headers: {
      location: `/v2/${repository}/blobs/uploads/${id}`,
      // distribution-spec: 0-0 while nothing has arrived, and for one byte as well.
      range: `0-${Math.max(0, sizeBytes - 1)}`,
      "docker-upload-uuid": id,
      "content-length": 0,
    },
  };
}

function created(repository: RepositoryName, digest: Digest): Reply {
  return {
    status: 201,
    headers: {
      location: `/v2/${repository}/blobs/${digest}`,
      "docker-content-digest": digest,
      "content-length": 0,
    },
  };
}

function targetOf(request: Request): { readonly repository: RepositoryName; readonly id: UploadId } {
  return {
    repository: parseRepositoryName(request.params["name"] ?? ""),
    id: parseUploadId(request.params["upload"] ?? ""),
  };
}

function parseUploadId(text: string): UploadId {
  if (!/^[a-z0-9-]{1,64}$/.test(text)) {
    throw new AppError(
      "BLOB_UPLOAD_UNKNOWN",
      "the address names no upload; use the Location that was answered",
    );
  }
  return text as UploadId; // as: the form every driver accepts was just checked
}

/** end-4c: only a hint; what closes the upload decides. */
function hintedAlgorithm(query: URLSearchParams): DigestAlgorithm {
  const hint = query.get("digest-algorithm") ?? query.get("digest")?.split(":", 1)[0];
  return hint === undefined ? "sha256" : parseDigestAlgorithm(hint);
}

function chunkOf(request: Request): Chunk {
  const header = request.headers["content-range"];
  const body: Readable = request.raw;
  return { body, range: header === undefined ? undefined : parseContentRange(header) };
}

function hasBody(request: Request): boolean {
  if (request.headers["transfer-encoding"] !== undefined) return true;
  return Number(request.headers["content-length"] ?? 0) > 0;
}
