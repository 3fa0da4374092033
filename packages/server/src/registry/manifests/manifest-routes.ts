import { manifestSizeLimitBytes } from "@entrepot/oci/manifest";
import { parseReference, type Reference } from "@entrepot/oci/reference";
import { parseRepositoryName, type RepositoryName } from "@entrepot/oci/repository-name";
import { parseTagName, type TagName } from "@entrepot/oci/tag-name";
import { type Call, type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import { isNotModified } from "../../http/is-not-modified.ts";
import { readBody } from "../../http/read-body.ts";
import { AppError } from "../../lib/app-error.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { checkPush, outside, tagLimitsOf } from "../tag-limits/tag-limits.ts";
import { deleteTag } from "../tags/delete-tag.ts";
import { deleteManifest } from "./delete-manifest.ts";
import { getManifest, manifestUnknown } from "./get-manifest.ts";
import type { StoredManifest } from "./manifest-cache.ts";
import { type PutManifest, putManifest } from "./put-manifest.ts";

const path = "/v2/{name}/manifests/{reference}";
// distribution-spec (draft), end-7b: at least ten tags should be taken, 414 when there are too many.
const maxTags = 100;

/** end-3, 7a, 7b and 9 of the distribution-spec. */
export function manifestEndpoints(deps: RegistryDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "manifests.get",
      method: "GET",
      path,
      can: { who: "repository", action: "pull" },
      summary: "Read a manifest by tag or digest, byte for byte as it was pushed.",
      honoursTagLimits: true,
      handle: async (call, request) => {
        const manifest = await readManifest(deps, call, request);
        const headers = headersOf(manifest);
        if (isNotModified(request.headers, manifest.digest)) return { status: 304, headers };
        return { status: 200, headers, body: { kind: "bytes", bytes: manifest.body } };
      },
    }),
    endpoint({
      id: "manifests.head",
      method: "HEAD",
      path,
      can: { who: "repository", action: "pull" },
      summary: "Whether a manifest is there, its digest, type and size.",
      honoursTagLimits: true,
      handle: async (call, request) => {
        const manifest = await readManifest(deps, call, request);
        return {
          status: isNotModified(request.headers, manifest.digest) ? 304 : 200,
          headers: { ...headersOf(manifest), "content-length": manifest.sizeBytes },
        };
      },
    }),
    endpoint({
      id: "manifests.put",
      method: "PUT",
      path,
      can: { who: "repository", action: "push" },
      summary: "Push a manifest by tag, or by digest with any number of `tag` parameters.",
      query: [
        { name: "tag", form: "text", isRepeatable: true, description: "a tag to set, beside the digest" },
      ],
      honoursTagLimits: true,
      handle: async (call, request) => {
        const { repository, reference } = targetOf(request);
        const tags = tagsOf(request, reference);
        const body = await readBody(request.raw, manifestSizeLimitBytes, call.signal);
        const contentType = request.headers["content-type"] ?? "";
        const limits = tagLimitsOf(deps, call.actor, "push", { repository });
        if (limits !== undefined) {
          const named = reference.kind === "tag" ? [reference.tag] : tags;
          await checkPush(limits, { tags: named, body, contentType });
        }
        const put = await putManifest(deps, call, { repository, reference, tags, contentType, body });
        return created(repository, put, tags);
      },
    }),
    endpoint({
      id: "manifests.delete",
      method: "DELETE",
      path,
      can: { who: "repository", action: "delete" },
      summary: "Delete a tag, or a manifest by digest with all its tags.",
      honoursTagLimits: true,
      handle: async (call, request) => {
        const { repository, reference } = targetOf(request);
        const limits = tagLimitsOf(deps, call.actor, "delete", { repository });
        if (limits !== undefined) {
          const isWithin =
            reference.kind === "tag" ? limits.admits(reference.tag) : await limits.owns(reference.digest);
          if (!isWithin) throw outside(`${reference.kind} ${request.params["reference"] ?? ""}`);
        }
        if (reference.kind === "tag") await deleteTag(deps, call, { repository, tag: reference.tag });
        else await deleteManifest(deps, call, { repository, digest: reference.digest });
        return { status: 202, headers: { "content-length": 0 } };
      },
    }),
  ];
}

/** `MANIFEST_UNKNOWN` for what lies outside the tags that the credential is limited to, too. */
async function readManifest(deps: RegistryDeps, { actor }: Call, request: Request): Promise<StoredManifest> {
  const { repository, reference } = targetOf(request);
  const limits = tagLimitsOf(deps, actor, "pull", { repository, addressedAs: request.addressedAs });
  if (limits !== undefined) {
    const isWithin =
      reference.kind === "tag" ? limits.admits(reference.tag) : await limits.reaches(reference.digest);
    if (!isWithin) throw manifestUnknown(repository, reference);
  }
  return getManifest(deps, repository, reference);
}

function targetOf(request: Request): { readonly repository: RepositoryName; readonly reference: Reference } {
  return {
    repository: parseRepositoryName(request.params["name"] ?? ""),
    reference: parseReference(request.params["reference"] ?? ""),
  };
}

function tagsOf(request: Request, reference: Reference): readonly TagName[] {
  const tags = request.query.getAll("tag");
  if (tags.length > 0 && reference.kind === "tag") {
    throw new AppError("MANIFEST_INVALID", "`tag` parameters go with a push by digest; this one is by tag");
  }
  if (tags.length > maxTags) {
    throw new AppError("URI_TOO_LONG", `${tags.length} tags in one request; at most ${maxTags} are taken`);
  }
  return tags.map(parseTagName);
}

function headersOf(manifest: StoredManifest): Record<string, string> {
  return {
    "content-type": manifest.mediaType,
    "docker-content-digest": manifest.digest,
    etag: `"${manifest.digest}"`,
  };
}

function created(repository: RepositoryName, put: PutManifest, tags: readonly TagName[]): Reply {
  return {
    status: 201,
    headers: {
      location: `/v2/${repository}/manifests/${put.digest}`,
      "docker-content-digest": put.digest,
      "content-length": 0,
      // distribution-spec: MUST when the manifest has a subject, so that clients need not keep the referrers tag.
      ...(put.subject === undefined ? {} : { "oci-subject": put.subject }),
      ...(tags.length === 0 ? {} : { "oci-tag": [...tags] }),
      // distribution-spec, "Warnings": code 299, agent "-", no date.
      ...(put.warnings.length === 0 ? {} : { warning: put.warnings.map((text) => `299 - "${text}"`) }),
    },
  };
}
