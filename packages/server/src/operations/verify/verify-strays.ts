import { findKnown } from "../../lifecycle/strays/stray-store.ts";
import type { BlobLocation, StoredObject, UploadId } from "../../storage/blob-store/blob-store.ts";
import { isLocation, partsOfLocation } from "../../storage/blob-store/names.ts";
import type { VerifyDeps, VerifyOptions } from "./verify-deps.ts";
import { countUnmarked, markUnmarked } from "./verify-store.ts";

const pageSize = 500;

/** Looks for bytes in the blob store that no row knows, and for rows that the collector will never look at. Tells how many objects there are. */
export async function verifyStrays(deps: VerifyDeps, options: VerifyOptions): Promise<number> {
  let objects = 0;
  for (const blobs of deps.regions?.all.map(({ store }) => store) ?? [deps.blobs]) {
    objects += await verifyPlace({ ...deps, blobs }, options);
  }
  await verifyMarks(deps, options);
  return objects;
}

async function verifyPlace(deps: VerifyDeps, options: VerifyOptions): Promise<number> {
  let objects = 0;
  let page: StoredObject[] = [];
  for await (const object of deps.blobs.list()) {
    options.signal.throwIfAborted();
    objects += 1;
    page.push(object);
    if (page.length < pageSize) continue;
    await verifyPage(deps, options, page);
    page = [];
  }
  await verifyPage(deps, options, page);
  return objects;
}

async function verifyPage(
  deps: VerifyDeps,
  options: VerifyOptions,
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
    if (options.repair) await remove(deps, object);
    options.onProblem({
      kind: "stray-object",
      subject: object.name,
      detail: `${object.sizeBytes} bytes of a ${object.kind} that no row knows`,
      affects: [],
      outcome: options.repair ? "repaired" : "found",
    });
  }
}

/** A location ends with the id of the upload that it came from. */
function uploadIdOf({ kind, name }: StoredObject): string {
  return kind === "upload" ? name : name.slice(name.lastIndexOf(".") + 1);
}

async function remove(deps: VerifyDeps, object: StoredObject): Promise<void> {
  // as: the driver itself has told the name
  if (object.kind === "blob") await deps.blobs.deleteBlob(object.name as BlobLocation);
  else await deps.blobs.discardUpload(object.name as UploadId);
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
