import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { TagName } from "@entrepot/oci/tag-name";
import type { NewEvent } from "../../activity/events/event-store.ts";
import { recordEvents } from "../../activity/events/event-store.ts";
import type { Tx } from "../../storage/database/database.ts";
import { holdManifest, releaseManifest } from "../manifests/manifest-hold-store.ts";
import { findTag, recordTagChanges, upsertTag } from "./tag-store.ts";

/**
 * Points tags at a manifest, in the caller's transaction, with history and events. A tag that points there already does not change; of those that do,
 * tells where they pointed before.
 */
export async function setTags(
  tx: Tx,
  change: {
    readonly repository: RepositoryName;
    readonly repositoryId: number;
    readonly manifestId: number;
    readonly digest: Digest;
    readonly tags: readonly TagName[];
    readonly actor: string;
    readonly nowMs: number;
  },
): Promise<Readonly<Record<string, Digest | null>>> {
  const moved: Record<string, Digest | null> = {};
  const { repositoryId, manifestId, actor, nowMs } = change;
  const events: NewEvent[] = [];
  const left = new Set<number>();
  for (const tag of change.tags) {
    const before = await findTag(tx, repositoryId, tag);
    if (before?.manifestId === manifestId) continue;
    moved[tag] = before?.digest ?? null;
    await upsertTag(tx, { repositoryId, name: tag, manifestId, nowMs });
    await recordTagChanges(tx, [
      { repositoryId, tag, before: before?.digest, after: change.digest, actor, nowMs },
    ]);
    if (before !== undefined) left.add(before.manifestId);
    events.push({
      kind: "tag.updated",
      atMs: nowMs,
      repository: change.repository,
      actor,
      payload: { tag, digest: change.digest, before: before?.digest ?? null },
    });
  }
  await recordEvents(tx, events);
  if (change.tags.length > 0) await holdManifest(tx, manifestId);
  for (const id of left) await releaseManifest(tx, { id, orphaned: false, nowMs });
  return moved;
}
