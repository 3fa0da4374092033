import type { Digest } from "@entrepot/oci/digest";
import { parseDigest } from "@entrepot/oci/digest";
import type { TagName } from "@entrepot/oci/tag-name";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forUpdate } from "../../storage/database/row-locks.ts";
import type { Statement } from "../../storage/database/send-together.ts";
import { type ManifestPlace, manifestIdAt } from "../manifests/manifest-store.ts";

/** Names in byte order after `last` (exclusive; it need not exist), at most `limit`. */
export async function listTagNames(
  db: Queryable,
  repositoryId: number,
  page: { readonly last: string | undefined; readonly limit: number },
): Promise<readonly string[]> {
  let query = db
    .selectFrom("tags")
    .select("name")
    .where("repository_id", "=", repositoryId)
    .orderBy("name")
    .limit(page.limit);
  if (page.last !== undefined) query = query.where("name", ">", page.last);
  return (await query.execute()).map((row) => row.name);
}

export interface TaggedManifest {
  readonly manifestId: number;
  readonly digest: Digest;
}

/** What a tag points to, held for the rest of the transaction. */
export async function findTag(
  tx: Tx,
  repositoryId: number,
  tag: TagName,
): Promise<TaggedManifest | undefined> {
  const held = await forUpdate(
    tx,
    tx
      .selectFrom("tags")
      .select("manifest_id")
      .where("repository_id", "=", repositoryId)
      .where("name", "=", tag),
  ).executeTakeFirst();
  if (held === undefined) return undefined;
  const manifest = await tx
    .selectFrom("manifests")
    .select("digest")
    .where("id", "=", held.manifest_id)
    .executeTakeFirstOrThrow();
  return { manifestId: held.manifest_id, digest: parseDigest(manifest.digest) };
}

/** Makes tags, all at one manifest. A unique violation when somebody else has made one of them meanwhile. */
export function insertTags(tx: Tx, tags: PointedTags): Statement {
  const { repositoryId, nowMs } = tags;
  return tx.insertInto("tags").values(
    tags.names.map((name) => ({
      repository_id: repositoryId,
      name,
      manifest_id: manifestIdAt(tx, tags),
      updated_at_ms: nowMs,
    })),
  );
}

/** Points tags that are there at another manifest. */
export function moveTags(tx: Tx, tags: PointedTags): Statement {
  return tx
    .updateTable("tags")
    .set({ manifest_id: manifestIdAt(tx, tags), updated_at_ms: tags.nowMs })
    .where("repository_id", "=", tags.repositoryId)
    .where("name", "in", [...tags.names]);
}

/** Tags and where they point from now on. */
interface PointedTags extends ManifestPlace {
  /** At least one. */
  readonly names: readonly TagName[];
  readonly nowMs: number;
}

export async function deleteTagRow(tx: Tx, repositoryId: number, tag: TagName): Promise<void> {
  await tx.deleteFrom("tags").where("repository_id", "=", repositoryId).where("name", "=", tag).execute();
}

/** Removes every tag of a manifest and tells their names. */
export async function deleteTagsOf(tx: Tx, manifestId: number): Promise<readonly string[]> {
  const rows = await tx.deleteFrom("tags").where("manifest_id", "=", manifestId).returning("name").execute();
  return rows.map((row) => row.name);
}

export interface TagChange {
  readonly repositoryId: number;
  readonly tag: string;
  readonly before: Digest | undefined;
  readonly after: Digest | undefined;
  readonly actor: string;
  readonly nowMs: number;
}

/** Writes tag changes down for good: who, when, from which digest to which. */
export async function recordTagChanges(tx: Tx, changes: readonly TagChange[]): Promise<void> {
  if (changes.length > 0) await tagHistoryInsert(tx, changes).execute();
}

/** As `recordTagChanges`, at least one, for a transaction that sends its last statements together. */
export function tagHistoryInsert(tx: Tx, changes: readonly TagChange[]) {
  return tx.insertInto("tag_history").values(
    changes.map((change) => ({
      repository_id: change.repositoryId,
      tag: change.tag,
      digest_before: change.before ?? null,
      digest_after: change.after ?? null,
      actor: change.actor,
      at_ms: change.nowMs,
    })),
  );
}
