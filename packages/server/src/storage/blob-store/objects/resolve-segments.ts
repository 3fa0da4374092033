import type { NamedSegment } from "./object-names.ts";

/** So many bytes from the beginning of one object. */
export interface Segment {
  /** The object with the bytes. */
  readonly name: string;
  readonly sizeBytes: number;
}

/** A segment as it lies in an upload, with the objects that make it: its bytes, and the cut that shortens it. */
export interface PlacedSegment extends Segment {
  readonly start: number;
  readonly objects: readonly { readonly name: string; readonly nonce: string }[];
}

export interface StoredSegment extends NamedSegment {
  readonly sizeBytes: number;
}

/**
 * The one way in which the segments follow each other from byte 0 on without gap or overlap. What another segment replaces does not count,
 * as a writer may have died before it removed it. Undefined when the segments contradict each other: then two wrote at once, and nobody
 * can tell whose bytes were acknowledged.
 */
export function resolveSegments(stored: readonly StoredSegment[]): readonly PlacedSegment[] | undefined {
  const replaced = new Set(stored.flatMap((segment) => segment.replaces));
  const byNonce = new Map(stored.map((segment) => [segment.nonce, segment]));
  const live = stored.filter((segment) => !replaced.has(segment.nonce)).sort((a, b) => a.start - b.start);
  const chain: PlacedSegment[] = [];
  let end = 0;
  for (const segment of live) {
    const placed = placeSegment(segment, byNonce);
    // A cut whose bytes are gone was being removed.
    if (placed === undefined) continue;
    if (placed.start !== end) return undefined;
    // An empty one says nothing.
    if (placed.sizeBytes > 0) chain.push(placed);
    end += placed.sizeBytes;
  }
  return chain;
}

/** Whether objects with the bytes of all segments are among those of these sizes. */
export function areThere(segments: readonly Segment[], sizes: ReadonlyMap<string, number>): boolean {
  return segments.every(({ name, sizeBytes }) => (sizes.get(name) ?? -1) >= sizeBytes);
}

function placeSegment(
  segment: StoredSegment,
  byNonce: ReadonlyMap<string, StoredSegment>,
): PlacedSegment | undefined {
  const { start, nonce, name, cutToBytes } = segment;
  if (cutToBytes === undefined) {
    return { name, start, sizeBytes: segment.sizeBytes, objects: [{ name, nonce }] };
  }
  const bytes = byNonce.get(segment.replaces[0] ?? "");
  if (bytes === undefined || bytes.cutToBytes !== undefined || bytes.sizeBytes < cutToBytes) return undefined;
  const objects = [
    { name: bytes.name, nonce: bytes.nonce },
    { name, nonce },
  ];
  return { name: bytes.name, start, sizeBytes: cutToBytes, objects };
}

export function endOf(chain: readonly PlacedSegment[]): number {
  const last = chain.at(-1);
  return last === undefined ? 0 : last.start + last.sizeBytes;
}
