import type { Digest } from "@entrepot/oci/digest";
import type { UploadId } from "../blob-store.ts";
import type { ObjectMedium } from "./object-medium.ts";
import { folderOf, parseIndexName, parseSegmentName } from "./object-names.ts";
import { type PlacedSegment, resolveSegments, type Segment, type StoredSegment } from "./resolve-segments.ts";

/** What lies in the folder of one upload. */
export interface UploadFolder {
  /** The segments of the upload that is going on, in order; undefined when they contradict each other. */
  readonly chain: readonly PlacedSegment[] | undefined;
  /** Names of everything that belongs to the upload that is going on, blobs excluded. */
  readonly objects: readonly string[];
  /** Those of `objects` that the chain does not need. */
  readonly loose: readonly string[];
  /** The digests of what was committed here: one, unless SQL never learnt of the first. */
  readonly committed: readonly Digest[];
  /** Of every object, by its name. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** Lists the folder of an upload. `segmentsOf` reads the index of a digest that was committed here. */
export async function readFolder(
  medium: ObjectMedium,
  id: UploadId,
  segmentsOf: (digest: Digest) => Promise<readonly Segment[] | undefined>,
): Promise<UploadFolder> {
  const folder = folderOf(id);
  const stored: StoredSegment[] = [];
  const committed: Digest[] = [];
  const sizes = await readSizes(medium, folder);
  for (const [name, sizeBytes] of sizes) {
    const segment = parseSegmentName(name);
    const digest = parseIndexName(name);
    if (segment !== undefined) stored.push({ ...segment, sizeBytes });
    else if (digest !== undefined) committed.push(digest);
  }
  const taken = new Set<string>();
  for (const digest of committed) {
    for (const { name } of (await segmentsOf(digest)) ?? []) taken.add(name);
  }
  const free = stored.filter(({ name }) => !taken.has(name));
  const chain = resolveSegments(free);
  const needed = new Set((chain ?? []).flatMap((segment) => segment.objects.map(({ name }) => name)));
  const objects = free.map(({ name }) => name);
  const loose = chain === undefined ? [] : objects.filter((name) => !needed.has(name));
  return { chain, objects, loose, committed, sizes };
}

/** The sizes of the objects in a folder, by their names, as of now. */
export async function readSizes(medium: ObjectMedium, folder: string): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { key, sizeBytes } of medium.list(folder)) sizes.set(key.slice(folder.length), sizeBytes);
  return sizes;
}
