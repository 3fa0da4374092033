import { contentDigest } from "../content-digest.ts";
import { propertyOf } from "../json-value.ts";
import type { ContentStore, Repository, StoredManifest } from "./content-store.ts";
import { covers } from "./content-store.ts";
import type { RegistryReply, RegistryRequest } from "./registry-message.ts";
import { errorReply, jsonReply, requestHeader } from "./registry-message.ts";

const indexType = "application/vnd.oci.image.index.v1+json";

/** GET, HEAD, PUT and DELETE of a manifest (end-3, end-7, end-9). */
export function answerManifest(
  store: ContentStore,
  name: string,
  reference: string,
  request: RegistryRequest,
): RegistryReply {
  const repository = store.repository(name);
  if (request.method === "PUT") return putManifest(repository, name, reference, request);
  const manifest = repository.manifests.get(repository.tags.get(reference) ?? reference);
  if (manifest === undefined) return errorReply(404, "MANIFEST_UNKNOWN");
  if (request.method === "DELETE") {
    deleteManifest(repository, reference);
    return { status: 202 };
  }
  const headers = { "Content-Type": manifest.mediaType, "Docker-Content-Digest": manifest.digest };
  return { status: 200, headers, body: manifest.bytes };
}

/** Referrers of a digest, whole or of one type (end-12). */
export function answerReferrers(
  store: ContentStore,
  name: string,
  subject: string,
  request: RegistryRequest,
): RegistryReply {
  const artifactType = request.query.get("artifactType");
  const manifests = [...store.repository(name).manifests.values()]
    .filter((manifest) => manifest.subject === subject)
    .filter((manifest) => artifactType === null || (manifest.artifactType ?? "") === artifactType)
    .map(({ digest, mediaType, bytes, artifactType: type, annotations }) => {
      return { mediaType, digest, size: bytes.length, artifactType: type, annotations };
    });
  const index = { schemaVersion: 2, mediaType: indexType, manifests };
  const filters = artifactType === null ? {} : { "OCI-Filters-Applied": "artifactType" };
  return jsonReply(200, index, { "Content-Type": indexType, ...filters });
}

/** Tags in byte order, from the one after `last` (end-8). */
export function answerTagList(store: ContentStore, name: string, request: RegistryRequest): RegistryReply {
  const last = request.query.get("last") ?? "";
  const tags = [...store.repository(name).tags.keys()].filter((tag) => tag > last).toSorted();
  return jsonReply(200, { name, tags });
}

function putManifest(
  repository: Repository,
  name: string,
  reference: string,
  request: RegistryRequest,
): RegistryReply {
  const isByDigest = reference.includes(":");
  if (isByDigest && !covers(reference, request.body)) return errorReply(400, "DIGEST_INVALID");
  const digest = isByDigest ? reference : contentDigest("sha256", request.body);
  const manifest = parseManifest(digest, request);
  repository.manifests.set(digest, manifest);
  const tags = request.query.getAll("tag");
  for (const tag of isByDigest ? tags : [reference]) repository.tags.set(tag, digest);
  return {
    status: 201,
    headers: {
      Location: `/v2/${name}/manifests/${reference}`,
      "Docker-Content-Digest": digest,
      ...(manifest.subject !== undefined && { "OCI-Subject": manifest.subject }),
      ...(tags.length > 0 && { "OCI-Tag": tags }),
    },
  };
}

function parseManifest(digest: string, request: RegistryRequest): StoredManifest {
  const content = JSON.parse(request.body.toString("utf8"));
  return {
    digest,
    mediaType: requestHeader(request, "content-type") ?? "",
    bytes: request.body,
    subject: textOf(propertyOf(propertyOf(content, "subject"), "digest")),
    artifactType: textOf(
      propertyOf(content, "artifactType") ?? propertyOf(propertyOf(content, "config"), "mediaType"),
    ),
    annotations: propertyOf(content, "annotations"),
  };
}

/** By tag only the tag goes; by digest the manifest and every tag of it. */
function deleteManifest(repository: Repository, reference: string): void {
  if (repository.tags.delete(reference)) return;
  repository.manifests.delete(reference);
  for (const [tag, digest] of repository.tags) if (digest === reference) repository.tags.delete(tag);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
