import { createHash } from "node:crypto";
import { type Digest, digestAlgorithm, digestHex, parseDigest } from "@entrepot/oci/digest";
import { type ParsedManifest, parseManifest } from "@entrepot/oci/manifest";
import { isNondistributableMediaType } from "@entrepot/oci/media-types";
import { findBlobId, linkBlob, reviveBlob } from "../../registry/blobs/linked-blob-store.ts";
import { referencesOf } from "../../registry/manifests/check-references.ts";
import { insertReferences } from "../../registry/manifests/manifest-store.ts";
import { commitTogether } from "../../storage/database/send-together.ts";
import type { Problem } from "./problem.ts";
import type { VerifyDeps, VerifyOptions } from "./verify-deps.ts";
import {
  deleteReferenceRow,
  isManifestThere,
  listManifestBodies,
  listReferenceRows,
  listTagsOf,
  listTwinBodies,
  type ManifestRow,
  type ReferenceRow,
  replaceManifestBody,
} from "./verify-store.ts";

const pageSize = 100;

/**
 * Looks at every manifest: do its bytes have its digest, does the table name what it names, and does the repository have that? Content that may be
 * absent (layers that are never pushed, what the policy for sparse manifests allows) is not missed. Tells how many were looked at.
 */
export async function verifyManifests(deps: VerifyDeps, options: VerifyOptions): Promise<number> {
  let manifests = 0;
  for (let afterId = 0; ; ) {
    options.signal.throwIfAborted();
    const page = await listManifestBodies(deps.database.read, afterId, pageSize);
    const last = page.at(-1);
    if (last === undefined) return manifests;
    const ids = page.map(({ id }) => id);
    const rows = Map.groupBy(await listReferenceRows(deps.database.read, ids), (row) => row.manifestId);
    for (const manifest of page) await verifyManifest(deps, options, manifest, rows.get(manifest.id) ?? []);
    manifests += page.length;
    afterId = last.id;
  }
}

async function verifyManifest(
  deps: VerifyDeps,
  options: VerifyOptions,
  manifest: ManifestRow,
  rows: readonly ReferenceRow[],
): Promise<void> {
  const found = problemsOf(deps, manifest, rows);
  if (found.length === 0) return;
  // Deleted while it was looked at, with what it named.
  if (!(await isManifestThere(deps.database.read, manifest.id))) return;
  const tags = await listTagsOf(deps.database.read, manifest.id);
  const affects =
    tags.length === 0
      ? [`${manifest.repository}@${manifest.digest}`]
      : tags.map((tag) => `${manifest.repository}:${tag}`);
  for (const { repair, ...problem } of found) {
    const isRepaired = options.repair && (await repair());
    options.onProblem({ ...problem, affects, outcome: isRepaired ? "repaired" : "found" });
  }
}

type Found = Omit<Problem, "affects" | "outcome"> & { readonly repair: () => Promise<boolean> };

function problemsOf(
  deps: VerifyDeps,
  manifest: ManifestRow,
  rows: readonly ReferenceRow[],
): readonly Found[] {
  const subject = `${manifest.repository}@${manifest.digest}`;
  if (!isSound(manifest.digest, manifest.body) || manifest.sizeBytes !== manifest.body.byteLength) {
    const detail =
      "its bytes in the database have another digest or size; push it again if it is not repaired";
    return [{ kind: "manifest-damaged", subject, detail, repair: () => restoreBody(deps, manifest) }];
  }
  const parsed = parseManifest(manifest.body, manifest.mediaType);
  const named = referencesOf(parsed);
  const keyOf = ({ kind, digest }: { readonly kind: string; readonly digest: string }) => `${kind} ${digest}`;
  const namedKeys = new Set(named.map(keyOf));
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  const mayBeAbsent = absentAllowed(deps, parsed);
  const missingRows = named.filter((reference) => !byKey.has(keyOf(reference)));
  return [
    ...missingRows.map(
      (reference): Found => ({
        kind: "reference-row-missing",
        subject,
        detail: `names ${reference.digest}, which is not written down`,
        repair: async () => {
          await deps.database.transaction((tx) =>
            commitTogether(tx, insertReferences(tx, manifest, [reference])),
          );
          return true;
        },
      }),
    ),
    ...rows
      .filter((row) => !namedKeys.has(keyOf(row)))
      .map(
        (row): Found => ({
          kind: "reference-row-surplus",
          subject,
          detail: `does not name ${row.digest}, but is written down as if it did`,
          repair: async () => {
            await deps.database.transaction((tx) => deleteReferenceRow(tx, row));
            return true;
          },
        }),
      ),
    ...named
      .filter((reference) => byKey.get(keyOf(reference))?.isPresent === false && !mayBeAbsent(reference))
      .map(
        ({ kind, digest }): Found => ({
          kind: "content-missing",
          subject,
          detail: `names the ${kind === "blob" ? "blob" : "manifest"} ${digest}, which this repository does not have`,
          repair: async () => kind === "blob" && (await relink(deps, manifest.repositoryId, digest)),
        }),
      ),
  ];
}

function isSound(digest: string, body: Uint8Array): boolean {
  const parsed = parseDigest(digest);
  return createHash(digestAlgorithm(parsed)).update(body).digest("hex") === digestHex(parsed);
}

function absentAllowed({ sparse }: VerifyDeps, parsed: ParsedManifest) {
  const neverPushed = new Set(
    parsed.layers
      .filter(({ mediaType }) => isNondistributableMediaType(mediaType))
      .map(({ digest }) => digest),
  );
  return ({ kind, digest }: { readonly kind: string; readonly digest: Digest }): boolean =>
    neverPushed.has(digest) || sparse === "all" || (kind === "child" && sparse === "indexes");
}

async function restoreBody(deps: VerifyDeps, manifest: ManifestRow): Promise<boolean> {
  const bodies = [manifest.body, ...(await listTwinBodies(deps.database.read, manifest))];
  const sound = bodies.find((body) => isSound(manifest.digest, body));
  if (sound === undefined) return false;
  await deps.database.transaction((tx) => replaceManifestBody(tx, manifest.id, sound));
  return true;
}

/** The repository had the blob when the manifest was pushed (the policy saw to that), so it may have it again. */
async function relink(deps: VerifyDeps, repositoryId: number, digest: Digest): Promise<boolean> {
  return deps.database.transaction(async (tx) => {
    const blobId = await findBlobId(tx, digest);
    if (blobId === undefined) return false;
    const link = linkBlob(tx, { repositoryId, digest, blobId, nowMs: deps.clock.nowMs() });
    const [revived] = await commitTogether(tx, [reviveBlob(tx, blobId), link]);
    return revived.length > 0;
  });
}
