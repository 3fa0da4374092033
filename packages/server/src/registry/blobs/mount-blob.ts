import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { type Actor, actorName } from "../../access/actor.ts";
import { namespaceOf } from "../../access/create-access.ts";
import { isEmptyListing } from "../../access/is-empty-listing.ts";
import { auditEntry } from "../../activity/audit/record-audit.ts";
import { eventInsert } from "../../activity/events/event-store.ts";
import type { Call } from "../../http/endpoint.ts";
import { commitTogether, sendTogether } from "../../storage/database/send-together.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { ensureRepository } from "../repositories/ensure-repository.ts";
import { lockRepositoryForLink } from "../repositories/repository-store.ts";
import { tagLimitsOf } from "../tag-limits/tag-limits.ts";
import {
  findBlobId,
  findLinkedBlob,
  holdSoundBlob,
  linkBlob,
  listLinkingRepositories,
  reviveBlob,
} from "./linked-blob-store.ts";

/**
 * Links a blob that the registry has into another repository without moving bytes. With `from`, the actor must be able to pull there
 * and the blob must be there; without, any repository will do that the actor may pull (automatic content discovery). False when
 * there is none: the client then uploads, and learns nothing of what others hold. May be repeated.
 */
export async function mountBlob(
  deps: RegistryDeps,
  call: Call,
  mount: {
    readonly repository: RepositoryName;
    readonly digest: Digest;
    readonly from: RepositoryName | undefined;
  },
): Promise<boolean> {
  if (!(await mayUse(deps, call.actor, mount))) return false;
  const mounted = await link(deps, call, mount);
  if (mounted !== undefined) return mounted;
  await ensureRepository(deps, call, mount.repository);
  return (await link(deps, call, mount)) ?? false;
}

/** Whether the blob was there to be linked; undefined when the repository is not. */
async function link(
  deps: RegistryDeps,
  call: Call,
  mount: Parameters<typeof mountBlob>[2],
): Promise<boolean | undefined> {
  const { repository, digest } = mount;
  // With several regions there is one more thing to write.
  const send = deps.regions === undefined ? commitTogether : sendTogether;
  return deps.database.transaction(async (tx) => {
    const [[target], [blob]] = await sendTogether(tx, [
      lockRepositoryForLink(tx, { name: repository }),
      holdSoundBlob(tx, digest),
    ]);
    if (target === undefined) return undefined;
    if (blob === undefined) return false;
    const nowMs = deps.clock.nowMs();
    const what = { digest, from: mount.from ?? null };
    await send(tx, [
      reviveBlob(tx, blob.id),
      linkBlob(tx, { repositoryId: target.id, digest, blobId: blob.id, nowMs }),
      auditEntry(tx, call, nowMs, {
        action: "blob.mount",
        target: `blob ${repository}@${digest}`,
        namespace: namespaceOf(repository, deps.defaultNamespace),
        repository,
        after: what,
      }),
      eventInsert(tx, [
        { kind: "blob.mounted", atMs: nowMs, repository, actor: actorName(call.actor), payload: what },
      ]),
    ]);
    await deps.regions?.noteLink(tx, {
      repositoryId: target.id,
      blobId: blob.id,
      storedAt: undefined,
      nowMs,
    });
    return true;
  });
}

/**
 * Decided from the actor's own rights, not from the scopes of the token shown: clients ask a token for the target only, so automatic content
 * discovery would never work with tokens otherwise. What a scoped access token was limited to still holds: see `Access`.
 */
async function mayUse(
  deps: RegistryDeps,
  actor: Actor,
  mount: { readonly digest: Digest; readonly from: RepositoryName | undefined },
): Promise<boolean> {
  if (mount.from !== undefined) {
    const { decision, name } = await deps.access.locate({ ...actor, limits: undefined }, "pull", mount.from);
    if (decision !== "allowed") return false;
    const limits = tagLimitsOf(deps, actor, "pull", { repository: name, addressedAs: mount.from });
    if (limits !== undefined && !(await limits.reaches(mount.digest))) return false;
    return (await findLinkedBlob(deps.database.read, name, mount.digest)) !== undefined;
  }
  // What a credential for some tags reaches in each repository costs more to find out than the upload.
  if (actor.credentialScopes?.some((scope) => scope.tags !== undefined) === true) return false;
  const blobId = await findBlobId(deps.database.read, mount.digest);
  if (blobId === undefined) return false;
  return isLinkedWhereReadable(deps, { ...actor, limits: undefined }, blobId);
}

const batch = 100;

/** Whether some repository that the actor may pull links the blob. */
async function isLinkedWhereReadable(deps: RegistryDeps, actor: Actor, blobId: number): Promise<boolean> {
  const readable = await deps.access.readableRepositories(actor);
  if (isEmptyListing(readable)) return false;
  for (let afterId = 0; ; ) {
    const rows = await listLinkingRepositories(deps.database.read, blobId, readable, {
      afterId,
      limit: batch,
    });
    const answers = readable.kind === "all" ? rows.map(() => true) : await readable.admits(rows);
    if (answers.includes(true)) return true;
    if (rows.length < batch) return false;
    afterId = rows.at(-1)?.id ?? Number.MAX_SAFE_INTEGER;
  }
}
