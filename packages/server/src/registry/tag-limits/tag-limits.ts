import type { Digest } from "@entrepot/oci/digest";
import { parseManifest } from "@entrepot/oci/manifest";
import type { TagPattern } from "@entrepot/oci/path-pattern";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { RepositoryAction } from "../../access/actions.ts";
import type { Actor } from "../../access/actor.ts";
import { carries, matchesAnyTag, tagLimits } from "../../access/credential-scope.ts";
import { AppError } from "../../lib/app-error.ts";
import { findManifest } from "../manifests/manifest-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { findRepositoryId } from "../repositories/repository-store.ts";
import { tagsAbove } from "./tags-above.ts";

/**
 * What a credential that is limited to some tags may do in a repository. Endpoints that ask for these say `honoursTagLimits`; all others are closed to
 * such credentials. What is not within is as if it were not there, for who reads; and `DENIED` for who writes.
 */
export interface TagLimits {
  readonly patterns: readonly TagPattern[];
  admits(tag: string): boolean;
  /** Whether a manifest or blob belongs to something that an admitted tag names: it, an entry of its index, a blob of either, a referrer. */
  reaches(digest: Digest): Promise<boolean>;
  /** Whether the repository has a manifest of that digest, within or not. */
  has(digest: Digest): Promise<boolean>;
  /** Whether every tag that leads to the manifest is admitted, and one does. */
  owns(digest: Digest): Promise<boolean>;
}

/**
 * The limits of the actor's credential for an action that it carries on the repository; undefined = none, which costs nothing to find out for
 * credentials without scopes. `addressedAs` is an old name of the repository that the credential may have been made for.
 */
export function tagLimitsOf(
  deps: Pick<RegistryDeps, "database">,
  actor: Actor,
  action: RepositoryAction,
  place: { readonly repository: RepositoryName; readonly addressedAs?: string | undefined },
): TagLimits | undefined {
  const { credentialScopes } = actor;
  if (credentialScopes === undefined) return undefined;
  const { repository, addressedAs } = place;
  const named = carries(credentialScopes, action, repository) ? repository : (addressedAs ?? repository);
  const patterns = tagLimits(credentialScopes, action, named);
  if (patterns === undefined) return undefined;
  const admits = (tag: string) => matchesAnyTag(patterns, tag);

  async function walk(digest: Digest, isEnough: (tag: string) => boolean): Promise<readonly string[]> {
    const repositoryId = await findRepositoryId(deps.database.read, repository);
    if (repositoryId === undefined) return [];
    return tagsAbove(deps.database.read, repositoryId, digest, isEnough);
  }

  return {
    patterns,
    admits,
    reaches: async (digest) => (await walk(digest, admits)).some(admits),
    has: async (digest) =>
      (await findManifest(deps.database.read, repository, { kind: "digest", digest })) !== undefined,
    async owns(digest) {
      const tags = await walk(digest, (tag) => !admits(tag));
      return tags.length > 0 && tags.every(admits);
    },
  };
}

/** For pushes: `DENIED` when a tag is not admitted, or when a referrer is pushed to content that is there and not within. */
export async function checkPush(
  limits: TagLimits,
  push: {
    readonly tags: readonly string[];
    readonly body: Uint8Array;
    readonly contentType: string;
  },
): Promise<void> {
  const tag = push.tags.find((each) => !limits.admits(each));
  if (tag !== undefined) throw outside(`the tag ${tag}`);
  const { subject } = parseManifest(push.body, push.contentType);
  if (subject === undefined || (await limits.reaches(subject.digest))) return;
  if (await limits.has(subject.digest)) throw outside(`the subject ${subject.digest}`);
}

export function outside(what: string): AppError {
  return new AppError("DENIED", `the credential is limited to other tags: ${what} is outside of them`);
}
