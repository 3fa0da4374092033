import assert from "node:assert/strict";
import { test } from "node:test";
import { readBloomFilter, writeBloomFilter } from "./bloom-filter.ts";

const texts = Array.from({ length: 20_000 }, (_, index) => `text ${index}`);

test("finds everything that is in it, and hardly anything else", () => {
  const filter = readBloomFilter(writeBloomFilter(texts, 1_000));
  assert.ok(texts.every((text) => filter.has(text)));
  const others = Array.from({ length: 100_000 }, (_, index) => `other ${index}`);
  const found = others.filter((text) => filter.has(text)).length;
  assert.ok(found > 50 && found < 200, `${found} of 100,000, where 100 are expected`);
});

test("takes some fourteen bits for a text when one of a thousand others may seem to be in it", () => {
  const bits = writeBloomFilter(texts, 1_000).length * 8;
  assert.ok(bits / texts.length < 15, `${bits / texts.length} bits`);
});

test("refuses a file that is none", () => {
  for (const file of [new Uint8Array(0), Buffer.from("EBF1"), Buffer.from("something else")]) {
    assert.throws(() => readBloomFilter(file), /no Bloom filter/);
  }
});
