import assert from "node:assert/strict";
import { parseDigest, parseDigestAlgorithm } from "@entrepot/oci/digest";
import type { BlobLocation, BlobReader, BlobStore, UploadId } from "../../storage/blob-store/blob-store.ts";
import { locationOf } from "../../storage/blob-store/names.ts";
import type { Database } from "../../storage/database/database.ts";
import { digestOf, hexOf } from "./content.ts";

/**
 * Looks at every row and every stored object and throws what is inconsistent: what the README of garbage collection promises
 * to hold between any two requests, whatever failed before.
 */
export async function checkInvariants(database: Database, blobs: BlobStore): Promise<void> {
  const rows = await readAll(database);
  checkLinks(rows);
  checkManifests(rows);
  await checkBytes(rows, blobs);
  await checkUploads(rows, blobs);
  await checkNothingIsUnknown(rows, blobs);
}

type Rows = Awaited<ReturnType<typeof readAll>>;

async function readAll({ read }: Database) {
  return {
    repositories: await read.selectFrom("repositories").selectAll().execute(),
    blobs: await read.selectFrom("blobs").selectAll().execute(),
    links: await read.selectFrom("repository_blobs").selectAll().execute(),
    manifests: await read.selectFrom("manifests").selectAll().execute(),
    references: await read.selectFrom("manifest_references").selectAll().execute(),
    tags: await read.selectFrom("tags").selectAll().execute(),
    uploads: await read.selectFrom("uploads").selectAll().execute(),
    deletions: await read.selectFrom("blob_deletions").selectAll().execute(),
  };
}

function checkLinks({ blobs, links, references }: Rows): void {
  for (const link of links) {
    const blob = blobs.find(({ id }) => id === link.blob_id);
    assert.equal(blob?.digest, link.digest, "a link leads to the blob of its digest");
    const isNamed = references.some(
      (reference) => reference.repository_id === link.repository_id && reference.digest === link.digest,
    );
    assert.equal(link.unreferenced_since_ms === null, isNamed, `link ${link.digest}: null = named`);
  }
  for (const blob of blobs) {
    const isLinked = links.some((link) => link.blob_id === blob.id);
    assert.equal(blob.unreferenced_since_ms === null, isLinked, `blob ${blob.digest}: null = linked`);
  }
}

function checkManifests({ manifests, references, tags }: Rows): void {
  for (const manifest of manifests) {
    const isHere = (row: { readonly repository_id: number }) => row.repository_id === manifest.repository_id;
    const isHeld =
      tags.some((tag) => tag.manifest_id === manifest.id) ||
      references.some((reference) => isHere(reference) && reference.digest === manifest.digest) ||
      manifests.some((subject) => isHere(subject) && subject.digest === manifest.subject_digest);
    assert.equal(manifest.unreferenced_since_ms === null, isHeld, `manifest ${manifest.digest}: null = held`);
    if (manifest.orphaned === 1)
      assert.notEqual(manifest.unreferenced_since_ms, null, "orphans are not held");
    assert.equal(digestOf(manifest.body, algorithmOf(manifest.digest)), manifest.digest);
  }
  for (const tag of tags) {
    const manifest = manifests.find(({ id }) => id === tag.manifest_id);
    assert.equal(manifest?.repository_id, tag.repository_id, "a tag leads to a manifest of its repository");
  }
  for (const reference of references) {
    const manifest = manifests.find(({ id }) => id === reference.manifest_id);
    assert.equal(manifest?.repository_id, reference.repository_id, "a reference is its manifest's");
  }
}

async function checkBytes({ blobs: rows, deletions }: Rows, blobs: BlobStore): Promise<void> {
  for (const row of rows) {
    // as: written by a driver's commitUpload
    const bytes = await readWhole(await blobs.openBlob(row.location as BlobLocation));
    assert.equal(bytes.byteLength, row.size_bytes);
    assert.equal(digestOf(bytes, algorithmOf(row.digest)), row.digest, "stored bytes have their digest");
    assert.ok(!deletions.some(({ location }) => location === row.location), "no blob awaits its deletion");
  }
}

/** What a row says of an upload is durable: in its own place or, after a close that broke off, in its final one. */
async function checkUploads({ uploads }: Rows, blobs: BlobStore): Promise<void> {
  for (const upload of uploads) {
    if (upload.offset_bytes === 0) continue;
    const id = upload.id as UploadId; // as: written by insertUpload
    const reader = await blobs.openUploadForReading(id, upload.offset_bytes).catch((error: unknown) => {
      if (upload.committing_digest === null) throw error;
      return blobs.openBlob(locationOf(id, parseDigest(upload.committing_digest)));
    });
    const bytes = (await readWhole(reader)).subarray(0, upload.offset_bytes);
    assert.equal(hexOf(bytes, parseDigestAlgorithm(upload.algorithm)), upload.digest_so_far);
  }
}

async function checkNothingIsUnknown(rows: Rows, blobs: BlobStore): Promise<void> {
  const known = new Set([
    ...rows.blobs.map(({ location }) => `blob ${location}`),
    ...rows.deletions.map(({ location }) => `blob ${location}`),
    ...rows.uploads.map(({ id }) => `upload ${id}`),
    ...rows.uploads.flatMap(({ id, committing_digest }) =>
      // as: written by insertUpload
      committing_digest === null
        ? []
        : [`blob ${locationOf(id as UploadId, parseDigest(committing_digest))}`],
    ),
  ]);
  for await (const { kind, name } of blobs.list()) {
    assert.ok(known.has(`${kind} ${name}`), `no row knows the stored ${kind} ${name}`);
  }
}

function algorithmOf(digest: string) {
  return parseDigestAlgorithm(digest.split(":", 1)[0] ?? "");
}

async function readWhole(reader: BlobReader): Promise<Buffer> {
  try {
    const bytes = Buffer.alloc(reader.sizeBytes);
    return bytes.subarray(0, await reader.read(bytes, 0));
  } finally {
    await reader.close();
  }
}
