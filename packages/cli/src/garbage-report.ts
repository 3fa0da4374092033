import { isObject } from "@entrepot/oci/json-object";

const candidateFields = [
  "manifests",
  "links",
  "blobs",
  "blobBytes",
  "pendingDeletions",
  "pendingDeletionBytes",
] as const;
const strayFields = ["uploads", "blobs", "bytes"] as const;
const passFields = ["manifests", "links", "blobs", "bytes", "durationMs"] as const;

/** What a pass would remove, from the management API's answer. An `Error` when it is something else. */
export function readGarbageCandidates(
  json: unknown,
): Readonly<Record<(typeof candidateFields)[number], number>> {
  return readNumbers(isObject(json) ? json["candidates"] : undefined, candidateFields);
}

/** What a pass removed. An `Error` when the answer is something else. */
export function readGarbagePass(json: unknown): Readonly<Record<(typeof passFields)[number], number>> {
  return readNumbers(json, passFields);
}

/** What lies in the blob store and belongs to nothing. An `Error` when the answer is something else. */
export function readStrays(json: unknown): Readonly<Record<(typeof strayFields)[number], number>> {
  return readNumbers(json, strayFields);
}

function readNumbers<Name extends string>(
  value: unknown,
  names: readonly Name[],
): Readonly<Record<Name, number>> {
  const numbers = names.map((name) => [name, isObject(value) ? value[name] : undefined] as const);
  if (!numbers.every(([, number]) => typeof number === "number")) {
    throw new Error("the registry gave an answer that this version does not understand");
  }
  return Object.fromEntries(numbers) as Record<Name, number>; // as: every name has a number, checked above
}
