import { type Digest, parseDigest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { TagName } from "@entrepot/oci/tag-name";
import type { Tx } from "../../storage/database/database.ts";
import { forNoKeyUpdate, forUpdate } from "../../storage/database/row-locks.ts";
import { sendTogether } from "../../storage/database/send-together.ts";
import { lockRepositoryForPut, repositoryIdOf } from "../repositories/repository-store.ts";
import type { TaggedManifest } from "../tags/tag-store.ts";
import type { Present } from "./check-references.ts";

/** What a put must know before it writes; none of it changes until its transaction ends. */
export interface BeforePut {
  readonly repositoryId: number;
  readonly present: Present;
  /** Where those of the tags point that are there and held; one that came after they were held is not among them. */
  readonly tags: ReadonlyMap<string, TaggedManifest>;
}

/**
 * Takes the locks of a put and then looks, all in one round trip; undefined when there is no such repository. Held are the repository (against what
 * breaks references), the tags that are there, and the manifests that they and the put concern: whoever moves another tag to or from one of
 * these waits, and so each of them sees whether it was the last.
 */
export async function lookBeforePut(
  tx: Tx,
  put: {
    readonly repository: RepositoryName;
    readonly digest: Digest;
    readonly needed: readonly Digest[];
    readonly tags: readonly TagName[];
  },
): Promise<BeforePut | undefined> {
  const id = repositoryIdOf(tx, put.repository);
  // `in ()` is no SQL; no digest and no tag is empty.
  const needed = put.needed.length === 0 ? [""] : put.needed;
  const names = put.tags.length === 0 ? [""] : put.tags;
  const tags = tx.selectFrom("tags").where("tags.repository_id", "=", id).where("tags.name", "in", names);
  // In the order of their keys: two puts that take the same locks wait for each other instead of both failing.
  const heldTags = forUpdate(tx, tags.select("tags.name").orderBy("tags.name"));
  const heldManifests = forNoKeyUpdate(
    tx,
    tx
      .selectFrom("manifests")
      .select("id")
      .where((eb) =>
        eb.or([
          eb("id", "in", tags.select("tags.manifest_id")),
          eb.and([eb("repository_id", "=", id), eb("digest", "=", put.digest)]),
        ]),
      )
      .orderBy("id"),
  );
  const [repositories, held, , pointed, blobs, manifests] = await sendTogether(tx, [
    lockRepositoryForPut(tx, put.repository),
    heldTags,
    heldManifests,
    // After the locks: a statement that waited for a row joins it with what others were before it waited.
    tags.innerJoin("manifests", "manifests.id", "tags.manifest_id").select(["name", "manifest_id", "digest"]),
    tx
      .selectFrom("repository_blobs")
      .select("digest")
      .where("repository_id", "=", id)
      .where("digest", "in", needed),
    tx.selectFrom("manifests").select("digest").where("repository_id", "=", id).where("digest", "in", needed),
  ]);
  const repositoryId = repositories[0]?.id;
  if (repositoryId === undefined) return undefined;
  const heldNames = new Set(held.map((row) => row.name));
  return {
    repositoryId,
    present: {
      blobs: new Set(blobs.map((row) => row.digest)),
      manifests: new Set(manifests.map((row) => row.digest)),
    },
    // Each statement sees more than the one before: a tag that was made in between is nobody's, and may point elsewhere by the time it is written.
    tags: new Map(
      pointed
        .filter((row) => heldNames.has(row.name))
        .map((row) => [row.name, { manifestId: row.manifest_id, digest: parseDigest(row.digest) }]),
    ),
  };
}
