import { createHash } from "node:crypto";
import { type Digest, digestAlgorithm, makeDigest } from "@entrepot/oci/digest";
import { type ParsedManifest, parseManifest } from "@entrepot/oci/manifest";
import type { Reference } from "@entrepot/oci/reference";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { TagName } from "@entrepot/oci/tag-name";
import { actorName } from "../../access/actor.ts";
import { namespaceOf } from "../../access/create-access.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import { recordEvents } from "../../activity/events/event-store.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { ensureRepository } from "../repositories/ensure-repository.ts";
import { lockRepositoryForPut } from "../repositories/repository-store.ts";
import { setTags } from "../tags/set-tag.ts";
import { checkReferences, referencesOf } from "./check-references.ts";
import { manifestKey } from "./manifest-cache.ts";
import { holdManifest, holdReferences, isHeld } from "./manifest-hold-store.ts";
import { insertReferences, upsertManifest } from "./manifest-store.ts";

export interface ManifestPush {
  readonly repository: RepositoryName;
  readonly reference: Reference;
  /** Further tags for a push by digest (end-7b). */
  readonly tags: readonly TagName[];
  readonly contentType: string;
  readonly body: Uint8Array;
}

export interface PutManifest {
  readonly digest: Digest;
  readonly subject: Digest | undefined;
  /** Sentences for `Warning` headers. */
  readonly warnings: readonly string[];
}

/**
 * Stores a manifest verbatim and points tags at it: manifest, references, tags, history and events in one transaction. May be repeated.
 * `DIGEST_INVALID` when the bytes are not those of the digest it is pushed by, `MANIFEST_INVALID` when it is no manifest,
 * `MANIFEST_BLOB_UNKNOWN` when what it names is missing.
 */
export async function putManifest(deps: RegistryDeps, call: Call, push: ManifestPush): Promise<PutManifest> {
  const digest = digestOf(push);
  const parsed = parseManifest(push.body, push.contentType);
  const tags = [...new Set(push.reference.kind === "tag" ? [push.reference.tag] : push.tags)];
  const repositoryId = await ensureRepository(deps, call, push.repository);
  const warnings = await deps.database.transaction(async (tx) => {
    if (!(await lockRepositoryForPut(tx, repositoryId))) {
      throw new AppError("NAME_UNKNOWN", `the repository ${push.repository} has just been deleted`);
    }
    const sentences = await checkReferences(tx, repositoryId, parsed, deps.sparse);
    await store(tx, deps, call, { ...push, digest, parsed, tags, repositoryId });
    return sentences;
  });
  deps.manifestCache.forget([digest, ...tags].map((reference) => manifestKey(push.repository, reference)));
  return { digest, subject: parsed.subject?.digest, warnings };
}

function digestOf(push: ManifestPush): Digest {
  const algorithm = push.reference.kind === "digest" ? digestAlgorithm(push.reference.digest) : "sha256";
  const actual = makeDigest(algorithm, createHash(algorithm).update(push.body).digest("hex"));
  if (push.reference.kind === "digest" && push.reference.digest !== actual) {
    throw new AppError(
      "DIGEST_INVALID",
      `the manifest has the digest ${actual}, not ${push.reference.digest} by which it is pushed`,
    );
  }
  return actual;
}

async function store(
  tx: Tx,
  deps: RegistryDeps,
  call: Call,
  put: {
    readonly repository: RepositoryName;
    readonly repositoryId: number;
    readonly digest: Digest;
    readonly parsed: ParsedManifest;
    readonly body: Uint8Array;
    readonly tags: readonly TagName[];
  },
): Promise<void> {
  const { repository, repositoryId, digest, parsed } = put;
  const nowMs = deps.clock.nowMs();
  const actor = actorName(call.actor);
  const references = referencesOf(parsed);
  const manifestId = await upsertManifest(tx, {
    repositoryId,
    digest,
    parsed,
    body: put.body,
    isTagged: put.tags.length > 0,
    nowMs,
  });
  await insertReferences(tx, { id: manifestId, repositoryId }, references);
  await holdReferences(tx, { repositoryId, digest, names: references.map((reference) => reference.digest) });
  await recordEvents(tx, [
    {
      kind: "manifest.pushed",
      atMs: nowMs,
      repository,
      actor,
      payload: { digest, mediaType: parsed.mediaType, sizeBytes: put.body.byteLength },
    },
  ]);
  const movedFrom = await setTags(tx, {
    repository,
    repositoryId,
    manifestId,
    digest,
    tags: put.tags,
    actor,
    nowMs,
  });
  await recordAudit(tx, call, nowMs, {
    action: "manifest.push",
    target: `manifest ${repository}@${digest}`,
    namespace: namespaceOf(repository, deps.defaultNamespace),
    repository,
    before: { tags: movedFrom },
    after: { digest, tags: put.tags, mediaType: parsed.mediaType, sizeBytes: put.body.byteLength },
  });
  // Without a tag it may still be held: as an entry of an index that came first, or by its subject.
  if (put.tags.length === 0 && (await isHeld(tx, manifestId))) await holdManifest(tx, manifestId);
}
