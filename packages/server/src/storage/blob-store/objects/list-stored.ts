import type { StoredObject, UploadId } from "../blob-store.ts";
import { locationOf } from "../names.ts";
import type { ListedObject, ObjectMedium } from "./object-medium.ts";
import { parseIndexName, parseKey } from "./object-names.ts";

/**
 * Everything in the store, folder by folder: each committed blob with all that lies in its folder, each upload, and each upload of which
 * there is no more than an unfinished object. Objects that are not ours are passed over.
 */
export async function* listStored(medium: ObjectMedium, probePrefix: string): AsyncGenerator<StoredObject> {
  const unfinished = new Map<string, number>();
  for await (const { key, begunAtMs } of medium.listUnfinished("")) {
    const place = parseKey(key);
    if (place !== undefined) unfinished.set(place.id, Math.max(begunAtMs, unfinished.get(place.id) ?? 0));
  }
  let id: UploadId | undefined;
  let objects: ListedObject[] = [];
  for await (const object of medium.list("")) {
    if (object.key.startsWith(probePrefix)) continue;
    const place = parseKey(object.key);
    if (place === undefined) continue;
    if (id !== undefined && place.id !== id) {
      yield* describeFolder(id, objects, unfinished);
      objects = [];
    }
    id = place.id;
    objects.push(object);
  }
  if (id !== undefined) yield* describeFolder(id, objects, unfinished);
  for (const [name, modifiedAtMs] of unfinished) yield { kind: "upload", name, sizeBytes: 0, modifiedAtMs };
}

function* describeFolder(
  id: UploadId,
  objects: readonly ListedObject[],
  unfinished: Map<string, number>,
): Generator<StoredObject> {
  const modifiedAtMs = Math.max(...objects.map((object) => object.modifiedAtMs));
  const digests = objects.flatMap(({ key }) => parseIndexName(parseKey(key)?.name ?? "") ?? []);
  const indexed = new Set(digests);
  const sizeBytes = objects
    .filter(({ key }) => parseIndexName(parseKey(key)?.name ?? "") === undefined)
    .reduce((sum, object) => sum + object.sizeBytes, 0);
  for (const digest of indexed) yield { kind: "blob", name: locationOf(id, digest), sizeBytes, modifiedAtMs };
  if (indexed.size > 0) return;
  unfinished.delete(id);
  yield { kind: "upload", name: id, sizeBytes, modifiedAtMs };
}
