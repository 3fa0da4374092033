import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createByteReader } from "./byte-reader.ts";

async function read(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks;
}

describe("byte reader", () => {
  it("gives every byte once and in order, however source and pieces are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }),
        async (chunks, sizes) => {
          const whole = Buffer.concat(chunks);
          const reader = createByteReader(each(chunks));
          let offset = 0;
          for (const size of sizes) {
            const piece = await read(reader.take(size));
            assert.deepEqual(piece, whole.subarray(offset, offset + size));
            offset += piece.byteLength;
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it("ends its source", async () => {
    let isEnded = false;
    async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        for (;;) yield new Uint8Array(4);
      } finally {
        isEnded = true;
      }
    }
    const reader = createByteReader(source());
    assert.equal((await read(reader.take(6))).byteLength, 6);
    await reader.close();
    await reader.close();
    assert.equal(isEnded, true);
  });
});
