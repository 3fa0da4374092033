import { createHash } from "node:crypto";
import { type Digest, digestAlgorithm, makeDigest } from "@entrepot/oci/digest";
import { type ParsedManifest, parseManifest } from "@entrepot/oci/manifest";
import type { Reference } from "@entrepot/oci/reference";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { TagName } from "@entrepot/oci/tag-name";
import { actorName } from "../../access/actor.ts";
import { namespaceOf } from "../../access/create-access.ts";
import { auditEntry } from "../../activity/audit/record-audit.ts";
import { eventInsert } from "../../activity/events/event-store.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import { isUniqueViolation } from "../../storage/database/database-error.ts";
import { commitTogether, type Statement } from "../../storage/database/send-together.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { ensureRepository } from "../repositories/ensure-repository.ts";
import { setTags } from "../tags/set-tags.ts";
import { checkReferences, neededBy, referencesOf } from "./check-references.ts";
import { manifestKey } from "./manifest-cache.ts";
import { holdIfHeld, holdReferences } from "./manifest-hold-store.ts";
import { insertReferences, upsertManifest } from "./manifest-store.ts";
import { type BeforePut, lookBeforePut } from "./put-store.ts";

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
 * `MANIFEST_BLOB_UNKNOWN` when what it names is missing. Two round trips to PostgreSQL, unless it is the first push to the repository.
 */
export async function putManifest(deps: RegistryDeps, call: Call, push: ManifestPush): Promise<PutManifest> {
  const digest = digestOf(push);
  const parsed = parseManifest(push.body, push.contentType);
  const tags = [...new Set(push.reference.kind === "tag" ? [push.reference.tag] : push.tags)];
  const put = { ...push, digest, parsed, tags };
  let warnings = await store(deps, call, put);
  if (warnings === undefined) {
    await ensureRepository(deps, call, push.repository);
    warnings = await store(deps, call, put);
  }
  if (warnings === undefined) {
    throw new AppError("NAME_UNKNOWN", `the repository ${push.repository} has just been deleted`);
  }
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

interface Put {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly parsed: ParsedManifest;
  readonly body: Uint8Array;
  readonly tags: readonly TagName[];
}

/** Each needs somebody else who makes the same tag in the milliseconds between a look and a write. */
const maxRaces = 5;

/** The warnings; undefined when there is no such repository. */
async function store(deps: RegistryDeps, call: Call, put: Put): Promise<readonly string[] | undefined> {
  for (let races = 0; ; races += 1) {
    try {
      return await deps.database.transaction(async (tx) => {
        const before = await lookBeforePut(tx, { ...put, needed: neededBy(put.parsed) });
        if (before === undefined) return undefined;
        const warnings = checkReferences(put.parsed, before.present, deps.sparse);
        await commitTogether(tx, writesOf(tx, deps, call, put, before));
        return warnings;
      });
    } catch (error) {
      // A tag that was not there at the look is now: the next look holds it and knows where it pointed.
      if (!isUniqueViolation(error) || races === maxRaces) throw error;
    }
  }
}

function writesOf(tx: Tx, deps: RegistryDeps, call: Call, put: Put, before: BeforePut): readonly Statement[] {
  const { repository, digest, parsed, tags } = put;
  const { repositoryId } = before;
  const nowMs = deps.clock.nowMs();
  const actor = actorName(call.actor);
  const at = { repositoryId, digest };
  const references = referencesOf(parsed);
  const names = references.map((reference) => reference.digest);
  const what = { mediaType: parsed.mediaType, sizeBytes: put.body.byteLength };
  const set = setTags(tx, { ...at, repository, tags, before: before.tags, actor, nowMs });
  return [
    upsertManifest(tx, { ...at, parsed, body: put.body, isTagged: tags.length > 0, nowMs }),
    ...insertReferences(tx, at, references),
    ...holdReferences(tx, { ...at, names }),
    ...set.statements,
    // Without a tag it may still be held: as an entry of an index that came first, or by its subject.
    ...(tags.length === 0 ? [holdIfHeld(tx, at)] : []),
    eventInsert(tx, [
      { kind: "manifest.pushed", atMs: nowMs, repository, actor, payload: { digest, ...what } },
      ...set.events,
    ]),
    auditEntry(tx, call, nowMs, {
      action: "manifest.push",
      target: `manifest ${repository}@${digest}`,
      namespace: namespaceOf(repository, deps.defaultNamespace),
      repository,
      before: { tags: set.moved },
      after: { digest, tags, ...what },
    }),
  ];
}
