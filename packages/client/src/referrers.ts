import { type Descriptor, parseDescriptor } from "@entrepot/oci/descriptor";
import type { Digest } from "@entrepot/oci/digest";
import { isObject } from "@entrepot/oci/json-object";
import { referrersTag } from "@entrepot/oci/referrers-tag";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { listPages } from "./listings.ts";
import { getManifest } from "./manifests.ts";
import { isNotFound, RegistryError } from "./registry-error.ts";
import { type RegistrySession, repositoryScope } from "./registry-session.ts";

export interface ReferrersRequest {
  readonly repository: RepositoryName;
  readonly subject: Digest;
  /** Only referrers of this type. */
  readonly artifactType?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Manifests whose subject is the digest: signatures, SBOMs. From the referrers API, and where a registry has none from the tag that clients keep
 * instead (distribution-spec, "Unavailable Referrers API"). Nothing for a subject that has none or does not exist.
 */
export async function* listReferrers(
  session: RegistrySession,
  request: ReferrersRequest,
): AsyncGenerator<Descriptor, void, undefined> {
  const { repository, subject, artifactType } = request;
  const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  const pages = listPages(session, {
    method: "GET",
    target: `/v2/${repository}/referrers/${subject}${query}`,
    scopes: [repositoryScope(repository, ["pull"])],
    what: `list the referrers of ${repository}@${subject}`,
    accept: [200],
    signal: request.signal,
  });
  try {
    // A registry may pass over the filter, so it is applied here in any case.
    for await (const json of pages) yield* entries(json, session, artifactType);
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    yield* entries(await readTagSchema(session, request), session, artifactType);
  }
}

function isUnsupported(error: unknown): boolean {
  return isNotFound(error) || (error instanceof RegistryError && error.status === 405);
}

async function readTagSchema(session: RegistrySession, request: ReferrersRequest): Promise<unknown> {
  const { repository, subject, signal } = request;
  try {
    const reference = { kind: "tag", tag: referrersTag(subject) } as const;
    const { bytes } = await getManifest(session, { repository, reference, signal });
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    if (isNotFound(error)) return { manifests: [] };
    throw error;
  }
}

function entries(
  json: unknown,
  session: RegistrySession,
  artifactType: string | undefined,
): readonly Descriptor[] {
  const manifests = isObject(json) ? (json["manifests"] ?? []) : undefined;
  if (!Array.isArray(manifests)) {
    throw new RegistryError(`${session.origin.host} answered without a list of referrers`, {
      code: "BAD_ANSWER",
    });
  }
  return manifests
    .map((entry: unknown, index) => parseDescriptor(entry, `referrer ${index + 1}`))
    .filter((entry) => artifactType === undefined || entry.artifactType === artifactType);
}
