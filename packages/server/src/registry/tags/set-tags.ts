import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { TagName } from "@entrepot/oci/tag-name";
import type { NewEvent } from "../../activity/events/event-store.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { Statement } from "../../storage/database/send-together.ts";
import { releaseManifests } from "../manifests/manifest-hold-store.ts";
import { insertTags, moveTags, type TaggedManifest, tagHistoryInsert } from "./tag-store.ts";

export interface TagsSet {
  /** Where the tags that change pointed before. */
  readonly moved: Readonly<Record<string, Digest | null>>;
  readonly events: readonly NewEvent[];
  readonly statements: readonly Statement[];
}

/**
 * What points tags at a manifest that the same transaction has stored, with history and events. A tag that points there already does not change. `before`
 * is where the tags point that are there, held by this transaction, with the manifests; a tag that somebody makes meanwhile is a unique violation.
 */
export function setTags(
  tx: Tx,
  change: {
    readonly repository: RepositoryName;
    readonly repositoryId: number;
    readonly digest: Digest;
    readonly tags: readonly TagName[];
    readonly before: ReadonlyMap<string, TaggedManifest>;
    readonly actor: string;
    readonly nowMs: number;
  },
): TagsSet {
  const { repository, repositoryId, digest, before, actor, nowMs } = change;
  const changed = change.tags.filter((tag) => before.get(tag)?.digest !== digest);
  if (changed.length === 0) return { moved: {}, events: [], statements: [] };
  const fresh = changed.filter((tag) => !before.has(tag));
  const old = changed.filter((tag) => before.has(tag));
  const left = [...new Set(old.flatMap((tag) => before.get(tag)?.manifestId ?? []))];
  const at = { repositoryId, digest, nowMs };
  return {
    moved: Object.fromEntries(changed.map((tag) => [tag, before.get(tag)?.digest ?? null])),
    events: changed.map((tag) => ({
      kind: "tag.updated" as const,
      atMs: nowMs,
      repository,
      actor,
      payload: { tag, digest, before: before.get(tag)?.digest ?? null },
    })),
    statements: [
      ...(fresh.length > 0 ? [insertTags(tx, { ...at, names: fresh })] : []),
      ...(old.length > 0 ? [moveTags(tx, { ...at, names: old })] : []),
      tagHistoryInsert(
        tx,
        changed.map((tag) => ({
          repositoryId,
          tag,
          before: before.get(tag)?.digest,
          after: digest,
          actor,
          nowMs,
        })),
      ),
      ...(left.length > 0 ? [releaseManifests(tx, { ids: left, orphaned: false, nowMs })] : []),
    ],
  };
}
