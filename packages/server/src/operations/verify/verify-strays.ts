import { findKnown } from "../../lifecycle/strays/stray-store.ts";
import type { BlobLocation, BlobStore, StoredObject, UploadId } from "../../storage/blob-store/blob-store.ts";
import { isLocation, partsOfLocation } from "../../storage/blob-store/names.ts";
import type { RegionLooks } from "./region-looks.ts";
import type { VerifyDeps, VerifyOptions } from "./verify-deps.ts";
import { countUnmarked, markUnmarked } from "./verify-store.ts";

const pageSize = 500;

/** One place where bytes lie. */
interface Place {
  readonly list: () => AsyncIterable<StoredObject>;
  /** False = it does not answer any more. */
  readonly remove: (object: StoredObject) => Promise<boolean>;
}

/**
 * Looks for bytes in the blob store, in each of several regions, that no row knows, and for rows that the collector will never look at. Tells how many objects there are. A region that
 * does not answer is passed over.
 */
export async function verifyStrays(
  deps: VerifyDeps,
  options: VerifyOptions,
  looks: RegionLooks,
): Promise<number> {
  let objects = 0;
  for (const place of placesOf(deps, looks)) objects += await verifyPlace(deps, options, place);
  await verifyMarks(deps, options);
  return objects;
}

function placesOf({ blobs, regions }: VerifyDeps, looks: RegionLooks): readonly Place[] {
  if (regions === undefined) {
    const removeThere = async (object: StoredObject) => {
      await remove(blobs, object);
      return true;
    };
    return [{ list: () => blobs.list(), remove: removeThere }];
  }
  return regions.all.map((region) => ({
    list: () => looks.list(region),
    remove: async (object) =>
      (await looks.look(region, (store) => remove(store, object).then(() => true))) !== undefined,
  }));
}

async function verifyPlace(deps: VerifyDeps, options: VerifyOptions, place: Place): Promise<number> {
  let objects = 0;
  let page: StoredObject[] = [];
  for await (const object of place.list()) {
    options.signal.throwIfAborted();
    objects += 1;
    page.push(object);
    if (page.length < pageSize) continue;
    await verifyPage(deps, options, place, page);
    page = [];
  }
  await verifyPage(deps, options, place, page);
  return objects;
}

async function verifyPage(
  deps: VerifyDeps,
  options: VerifyOptions,
  place: Place,
  page: readonly StoredObject[],
): Promise<void> {
  const oldest = deps.clock.nowMs() - deps.strayGraceMs;
  const old = page.filter(({ modifiedAtMs }) => modifiedAtMs <= oldest);
  // Looked up after they were listed: what was written down meanwhile is known.
  const locations = old.filter(({ kind }) => kind === "blob").map(({ name }) => name);
  const known = await findKnown(deps.database.read, {
    digests: locations.filter(isLocation).map((location) => partsOfLocation(location).digest),
    locations,
    uploadIds: old.map(uploadIdOf),
  });
  for (const object of old) {
    if (known.locations.has(object.name) || known.uploadIds.has(uploadIdOf(object))) continue;
    const isRemoved = options.repair && (await place.remove(object));
    options.onProblem({
      kind: "stray-object",
      subject: object.name,
      detail: `${object.sizeBytes} bytes of a ${object.kind} that no row knows`,
      affects: [],
      outcome: isRemoved ? "repaired" : "found",
    });
  }
}

/** A location ends with the id of the upload that it came from. */
function uploadIdOf({ kind, name }: StoredObject): string {
  return kind === "upload" ? name : name.slice(name.lastIndexOf(".") + 1);
}

async function remove(store: BlobStore, object: StoredObject): Promise<void> {
  // as: the driver itself has told the name
  if (object.kind === "blob") await store.deleteBlob(object.name as BlobLocation);
  else await store.discardUpload(object.name as UploadId);
}

async function verifyMarks(deps: VerifyDeps, options: VerifyOptions): Promise<void> {
  const { links, blobs } = await countUnmarked(deps.database.read);
  if (links + blobs === 0) return;
  if (options.repair) await deps.database.transaction((tx) => markUnmarked(tx, deps.clock.nowMs()));
  options.onProblem({
    kind: "unmarked",
    subject: "garbage",
    detail: `${links} links and ${blobs} blobs that nothing needs would never be collected`,
    affects: [],
    outcome: options.repair ? "repaired" : "found",
  });
}
