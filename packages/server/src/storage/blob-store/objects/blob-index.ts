import type { Segment } from "./resolve-segments.ts";

/** What a committed blob is made of. Written once, never changed. */
export interface BlobIndex {
  readonly sizeBytes: number;
  readonly segments: readonly Segment[];
}

export function formatBlobIndex(index: BlobIndex): Buffer {
  return Buffer.from(JSON.stringify({ version: 1, ...index }));
}

/** Throws for what no driver has written: nothing is served by guessing. */
export function parseBlobIndex(bytes: Uint8Array): BlobIndex {
  const parsed: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
  const { version, sizeBytes, segments } = fieldsOf(parsed);
  if (version !== 1 || typeof sizeBytes !== "number" || !Array.isArray(segments)) throw damaged();
  const checked = segments.map((segment: unknown): Segment => {
    const { name, sizeBytes: size } = fieldsOf(segment);
    if (typeof name !== "string" || typeof size !== "number" || name.includes("/")) throw damaged();
    return { name, sizeBytes: size };
  });
  if (checked.reduce((sum, segment) => sum + segment.sizeBytes, 0) !== sizeBytes) throw damaged();
  return { sizeBytes, segments: checked };
}

function fieldsOf(value: unknown): { readonly [name: string]: unknown } {
  if (typeof value !== "object" || value === null) throw damaged();
  return { ...value };
}

function damaged(): Error {
  return new Error("the index of a blob in the object store is damaged");
}
