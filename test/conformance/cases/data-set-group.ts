import type { DataSet, Manifest } from "../data-sets/data-set.ts";
import type { ResultGroup } from "../results.ts";
import type { RunContext } from "../run-context.ts";
import type { BlobPlace } from "./blob-cases.ts";
import { deleteBlobCase, getBlobCase, headBlobCase, pushBlobAnyhow } from "./blob-cases.ts";
import type { ManifestPlace } from "./manifest-cases.ts";
import {
  deleteManifestCase,
  getManifestCase,
  headManifestCase,
  pushManifestByDigestCase,
  pushManifestByTagCase,
} from "./manifest-cases.ts";
import { referrersCase } from "./referrers-case.ts";
import { tagListCase } from "./tag-list-case.ts";

/** Pushes a data set, lists it, reads it in every way, and deletes it. Every part runs even when earlier ones failed. */
export async function runDataSetGroup(run: RunContext, group: ResultGroup, dataSet: DataSet): Promise<void> {
  const pushedTags = await pushDataSet(run, group.addGroup("push"), dataSet);
  await tagListCase(
    run,
    group,
    dataSet.tags.map((tag) => tag.name),
  );
  await readDataSet(run, group.addGroup("head"), dataSet, headManifestCase, headBlobCase);
  await readDataSet(run, group.addGroup("pull"), dataSet, getManifestCase, getBlobCase);
  if (dataSet.referrers.size > 0) await referrersCase(run, group, dataSet);
  await deleteDataSet(run, group.addGroup("delete"), dataSet, pushedTags);
}

/** Resolves with the names of the tags that were pushed. */
async function pushDataSet(
  run: RunContext,
  group: ResultGroup,
  dataSet: DataSet,
): Promise<ReadonlySet<string>> {
  for (const blob of dataSet.blobs) await pushBlobAnyhow({ run, group, repository: run.repository, blob });
  const pushedTags = new Set<string>();
  for (const manifest of dataSet.manifests) {
    for (const tag of await pushManifestByDigestCase({ run, group, dataSet, manifest })) pushedTags.add(tag);
  }
  for (const [tag, place] of tagPlaces(run, group, dataSet)) {
    if (pushedTags.has(tag)) continue;
    if (await pushManifestByTagCase(place, tag)) pushedTags.add(tag);
  }
  return pushedTags;
}

type ManifestCase = (place: ManifestPlace, by: "tag" | "digest", reference: string) => Promise<boolean>;

async function readDataSet(
  run: RunContext,
  group: ResultGroup,
  dataSet: DataSet,
  manifestCase: ManifestCase,
  blobCase: (place: BlobPlace) => Promise<boolean>,
): Promise<void> {
  // What had to be refused cannot be read.
  if (!dataSet.hasWrongDigests) {
    for (const [tag, place] of tagPlaces(run, group, dataSet)) await manifestCase(place, "tag", tag);
    for (const manifest of dataSet.manifests) {
      await manifestCase({ run, group, dataSet, manifest }, "digest", manifest.digest);
    }
  }
  for (const blob of dataSet.blobs) await blobCase({ run, group, repository: run.repository, blob });
}

/** Parents before children and tags before manifests, so that nothing that is still referred to is deleted. */
export async function deleteDataSet(
  run: RunContext,
  group: ResultGroup,
  dataSet: DataSet,
  pushedTags: ReadonlySet<string>,
): Promise<void> {
  for (const [tag, place] of tagPlaces(run, group, dataSet)) {
    if (pushedTags.has(tag)) await deleteManifestCase(place, "tag", tag);
  }
  for (const manifest of dataSet.manifests.toReversed()) {
    await deleteManifestCase({ run, group, dataSet, manifest }, "digest", manifest.digest);
  }
  for (const blob of dataSet.blobs) await deleteBlobCase({ run, group, repository: run.repository, blob });
}

function tagPlaces(
  run: RunContext,
  group: ResultGroup,
  dataSet: DataSet,
): readonly [string, ManifestPlace][] {
  return dataSet.tags.map((tag) => {
    return [tag.name, { run, group, dataSet, manifest: manifestOf(dataSet, tag.digest) }];
  });
}

function manifestOf(dataSet: DataSet, digest: string): Manifest {
  const found = dataSet.manifests.find((manifest) => manifest.digest === digest);
  if (found === undefined) throw new Error(`data set ${dataSet.name} has no manifest ${digest}`);
  return found;
}
