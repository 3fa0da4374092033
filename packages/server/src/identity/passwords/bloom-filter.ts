import { createHash } from "node:crypto";

/** A set of texts in a few bits each: what is in it is always found, what is not is found once in a while all the same. */
export interface BloomFilter {
  has(text: string): boolean;
}

const magic = "EBF1";
const headerBytes = 8;

/** Reads what `writeBloomFilter` wrote: "EBF1", the number of probes as a 32-bit number, the bits. Throws an `Error` when it is none. */
export function readBloomFilter(file: Uint8Array): BloomFilter {
  const buffer = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (buffer.length <= headerBytes || buffer.toString("latin1", 0, 4) !== magic) {
    throw new Error("the file is no Bloom filter");
  }
  const probes = buffer.readUInt32LE(4);
  const bits = buffer.subarray(headerBytes);
  return {
    has: (text) =>
      positions(text, probes, bits.length * 8).every((at) => ((bits[at >> 3] ?? 0) >> (at & 7)) & 1),
  };
}

/** A filter of texts in which one of `falseOneIn` others seems to be. */
export function writeBloomFilter(texts: readonly string[], falseOneIn: number): Uint8Array {
  const bitCount = Math.ceil((texts.length * Math.log(falseOneIn)) / Math.LN2 ** 2 / 8) * 8;
  const probes = Math.max(1, Math.round((bitCount / texts.length) * Math.LN2));
  const file = Buffer.alloc(headerBytes + bitCount / 8);
  file.write(magic, "latin1");
  file.writeUInt32LE(probes, 4);
  const bits = file.subarray(headerBytes);
  for (const text of texts) {
    for (const at of positions(text, probes, bitCount))
      bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
  }
  return file;
}

/** Two halves of one hash make as many independent positions as are needed (Kirsch and Mitzenmacher, 2006). */
function positions(text: string, probes: number, bitCount: number): readonly number[] {
  const hash = createHash("sha256").update(text).digest();
  const first = hash.readUIntBE(0, 6);
  const step = hash.readUIntBE(6, 5) | 1;
  return Array.from({ length: probes }, (_, index) => (first + index * (step >>> 0)) % bitCount);
}
