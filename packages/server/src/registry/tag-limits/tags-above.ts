import type { Digest } from "@entrepot/oci/digest";
import type { Queryable } from "../../storage/database/database.ts";
import {
  type FoundManifest,
  findManifestsByDigest,
  findManifestsNaming,
  findTagsOf,
} from "./holder-store.ts";

/** What cannot be told within so many steps is taken for not within: a digest that more manifests name is a base that everything is built on. */
const maxManifests = 100_000;
const batch = 500;

/**
 * Tags that lead to a manifest or blob of the repository: its own, those of indexes that list it, of manifests that name it, and of its subject, and
 * so on upwards. Ends at the first tag that is enough. Each step is by an index; cycles end. Empty when too much lies above.
 */
export async function tagsAbove(
  db: Queryable,
  repositoryId: number,
  digest: Digest,
  isEnough: (tag: string) => boolean,
): Promise<readonly string[]> {
  const seen = new Set<number>();
  const tags: string[] = [];

  /** Takes manifests that were not seen before; true = a tag was enough. */
  async function take(found: readonly FoundManifest[], next: FoundManifest[]): Promise<boolean> {
    const fresh = found.filter(({ id }) => !seen.has(id));
    for (const manifest of fresh) seen.add(manifest.id);
    next.push(...fresh);
    if (fresh.length === 0) return false;
    const named = await findTagsOf(
      db,
      fresh.map(({ id }) => id),
    );
    tags.push(...named);
    return named.some(isEnough);
  }

  /** Every manifest that names one of the digests, a batch at a time. */
  async function takeNaming(digests: readonly string[], next: FoundManifest[]): Promise<boolean> {
    for (let afterId = 0; ; ) {
      const found = await findManifestsNaming(db, repositoryId, digests, { afterId, limit: batch });
      if (await take(found, next)) return true;
      if (found.length < batch || seen.size > maxManifests) return false;
      afterId = found.at(-1)?.id ?? Number.MAX_SAFE_INTEGER;
    }
  }

  let level: FoundManifest[] = [];
  if (await take(await findManifestsByDigest(db, repositoryId, [digest]), level)) return tags;
  if (await takeNaming([digest], level)) return tags;
  while (level.length > 0) {
    const next: FoundManifest[] = [];
    for (let start = 0; start < level.length; start += batch) {
      const part = level.slice(start, start + batch);
      const subjects = part.flatMap(({ subject }) => subject ?? []);
      if (await take(await findManifestsByDigest(db, repositoryId, subjects), next)) return tags;
      const digests = part.map((manifest) => manifest.digest);
      if (await takeNaming(digests, next)) return tags;
      if (seen.size > maxManifests) return [];
    }
    level = next;
  }
  return tags;
}
