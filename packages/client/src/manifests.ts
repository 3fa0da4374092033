import { type Digest, digestAlgorithm, tryParseDigest } from "@entrepot/oci/digest";
import { manifestSizeLimitBytes } from "@entrepot/oci/manifest";
import { mediaTypes } from "@entrepot/oci/media-types";
import type { Reference } from "@entrepot/oci/reference";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { TagName } from "@entrepot/oci/tag-name";
import { digestOf, hasDigest } from "./content-hash.ts";
import type { HttpResponse } from "./http-transport.ts";
import { readBytes } from "./read-body.ts";
import { RegistryError } from "./registry-error.ts";
import { type RegistrySession, repositoryScope } from "./registry-session.ts";

/** A manifest as a registry has it. */
export interface FetchedManifest {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Exactly as they were pushed. */
  readonly bytes: Buffer;
}

/** What a HEAD tells of a manifest. */
export interface ManifestSummary {
  readonly mediaType: string;
  /** Undefined where an old registry does not send it. */
  readonly digest: Digest | undefined;
  readonly sizeBytes: number | undefined;
}

/** Some registries answer 404 for a type that is not asked for, so everything is. */
const acceptedTypes = [
  mediaTypes.imageIndex,
  mediaTypes.imageManifest,
  mediaTypes.dockerManifestList,
  mediaTypes.dockerManifest,
  "application/vnd.oci.artifact.manifest.v1+json",
  "*/*",
].join(", ");

export interface ManifestRequest {
  readonly repository: RepositoryName;
  readonly reference: Reference;
  readonly signal?: AbortSignal | undefined;
}

export function referenceText(reference: Reference): string {
  return reference.kind === "tag" ? reference.tag : reference.digest;
}

function read(request: ManifestRequest, method: "GET" | "HEAD") {
  const { repository, reference, signal } = request;
  const text = referenceText(reference);
  return {
    method,
    target: `/v2/${repository}/manifests/${text}`,
    scopes: [repositoryScope(repository, ["pull"])],
    what: `read manifest ${repository}${reference.kind === "tag" ? ":" : "@"}${text}`,
    accept: [200],
    headers: { accept: acceptedTypes },
    signal,
  } as const;
}

function typeOf(response: HttpResponse): string {
  return (response.header("content-type") ?? "").split(";", 1)[0]?.trim() ?? "";
}

function digestHeader(response: HttpResponse): Digest | undefined {
  return tryParseDigest(response.header("docker-content-digest") ?? "");
}

/**
 * Reads a manifest of at most 4 MiB and checks it: against the digest that was asked for, else against the one the registry states.
 * `DIGEST_INVALID` when it is something else, 404 when it is not there.
 */
export async function getManifest(
  session: RegistrySession,
  request: ManifestRequest,
): Promise<FetchedManifest> {
  const spec = read(request, "GET");
  const response = await session.request(spec);
  const bytes = await readBytes(response, manifestSizeLimitBytes, `the manifest at ${session.origin.host}`);
  const expected = request.reference.kind === "digest" ? request.reference.digest : digestHeader(response);
  if (expected !== undefined && !hasDigest(bytes, expected)) {
    throw new RegistryError(`cannot ${spec.what} at ${session.origin.host}: it sent something else`, {
      code: "DIGEST_INVALID",
    });
  }
  return { mediaType: typeOf(response), digest: expected ?? digestOf(bytes), bytes };
}

/** As {@link getManifest} without the bytes; undefined when it is not there. */
export async function headManifest(
  session: RegistrySession,
  request: ManifestRequest,
): Promise<ManifestSummary | undefined> {
  const response = await session.request({ ...read(request, "HEAD"), accept: [200, 404] });
  await response.body.dump();
  if (response.status === 404) return undefined;
  const length = response.header("content-length");
  return {
    mediaType: typeOf(response),
    digest: digestHeader(response),
    sizeBytes: length === undefined ? undefined : Number(length),
  };
}

export interface ManifestPush {
  readonly repository: RepositoryName;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  /** None = only the digest leads to it. */
  readonly tags?: readonly TagName[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * Pushes a manifest and points tags to it. Everything it names must be there. Safe to repeat. `handlesSubject` tells whether the registry has
 * listed it among its subject's referrers; false without a subject.
 */
export async function putManifest(
  session: RegistrySession,
  push: ManifestPush,
): Promise<{ readonly handlesSubject: boolean }> {
  const { tags = [] } = push;
  if (tags.length > 0 && digestAlgorithm(push.digest) !== "sha256")
    return putTaggedByParameter(session, push);
  let handlesSubject = false;
  for (const target of tags.length === 0 ? [push.digest] : tags) {
    const response = await put(session, push, target);
    const stored = digestHeader(response);
    if (stored !== undefined && stored !== push.digest) {
      throw new RegistryError(`${session.origin.host} stored ${stored} instead of ${push.digest}`, {
        code: "DIGEST_INVALID",
      });
    }
    handlesSubject = response.header("oci-subject") !== undefined;
  }
  return { handlesSubject };
}

/**
 * distribution-spec 1.2, end-7b: the only way to tag a manifest under another digest than sha256, as a push to a tag says nothing of the
 * algorithm. Registries that do not know it store the manifest and pass over the tags: that is told, not hidden.
 */
async function putTaggedByParameter(
  session: RegistrySession,
  push: ManifestPush,
): Promise<{ readonly handlesSubject: boolean }> {
  const query = (push.tags ?? []).map((tag) => `tag=${encodeURIComponent(tag)}`).join("&");
  const response = await put(session, push, `${push.digest}?${query}`);
  if (response.header("oci-tag") === undefined) {
    throw new RegistryError(
      `${session.origin.host} stored ${push.digest}, but cannot tag a manifest whose digest is not sha256`,
      { code: "UNSUPPORTED" },
    );
  }
  return { handlesSubject: response.header("oci-subject") !== undefined };
}

async function put(session: RegistrySession, push: ManifestPush, target: string): Promise<HttpResponse> {
  const { repository } = push;
  const response = await session.request({
    method: "PUT",
    target: `/v2/${repository}/manifests/${target}`,
    scopes: [repositoryScope(repository, ["pull", "push"])],
    what: `store manifest ${push.tags?.[0] ?? push.digest} in ${repository}`,
    accept: [200, 201, 202],
    headers: { "content-type": push.mediaType },
    body: () => push.bytes,
    signal: push.signal,
  });
  await response.body.dump();
  return response;
}

/** Deletes a tag, or a manifest with all its tags. False when it was not there. */
export async function deleteManifest(session: RegistrySession, request: ManifestRequest): Promise<boolean> {
  const { repository, reference } = request;
  const text = referenceText(reference);
  const response = await session.request({
    method: "DELETE",
    target: `/v2/${repository}/manifests/${text}`,
    scopes: [repositoryScope(repository, ["delete"])],
    what: `delete ${repository}${reference.kind === "tag" ? ":" : "@"}${text}`,
    accept: [200, 202, 204, 404],
    signal: request.signal,
  });
  await response.body.dump();
  return response.status !== 404;
}
