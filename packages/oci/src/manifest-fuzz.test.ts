import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseManifest } from "./manifest.ts";
import { mediaTypes } from "./media-types.ts";
import { parsedOrRefused } from "./testing/hostile-texts.ts";

const descriptor = {
  mediaType: mediaTypes.layerTar,
  digest: `sha256:${"0".repeat(64)}`,
  size: 3,
  data: "YWJj",
  urls: ["https://r.example/x"],
  annotations: { a: "b" },
  platform: { os: "linux", architecture: "amd64" },
};
const general = { schemaVersion: 2, subject: descriptor, annotations: { a: "b" }, artifactType: "a/b" };
const seeds = [
  { ...general, mediaType: mediaTypes.imageManifest, config: descriptor, layers: [descriptor, descriptor] },
  { ...general, mediaType: mediaTypes.imageIndex, manifests: [descriptor, descriptor] },
  { ...general, mediaType: "application/x", blobs: [descriptor] },
] as const;

const contentTypes = fc.constantFrom("", "application/x", mediaTypes.imageManifest, mediaTypes.imageIndex);
const limits = { numRuns: 20_000, interruptAfterTimeLimit: 1_000, markInterruptAsFailure: false };

/** What every accepted manifest promises, however it came to be. Tells whether this one was accepted. */
function checkPromises(bytes: Uint8Array, contentType: string): boolean {
  const parsed = parsedOrRefused(() => parseManifest(bytes, contentType));
  if (parsed === undefined) return false;
  assert.match(parsed.mediaType, /^[\x21-\x7e]{1,255}$/);
  const named = [parsed.config, parsed.subject, ...parsed.layers, ...parsed.manifests];
  for (const one of named.filter((each) => each !== undefined)) {
    assert.match(one.digest, /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/);
    assert.ok(Number.isSafeInteger(one.size) && one.size >= 0);
    assert.notEqual(one.mediaType, "");
  }
  for (const value of Object.values(parsed.annotations)) assert.equal(typeof value, "string");
  return true;
}

test("accepts every seed as it is", () => {
  for (const seed of seeds) {
    assert.notEqual(
      parsedOrRefused(() => parseManifest(Buffer.from(JSON.stringify(seed)), seed.mediaType)),
      undefined,
    );
  }
});

test("keeps its promises for manifests with bytes overwritten, cut out or put in", () => {
  const seen = new Set<boolean>();
  const change = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat({ max: 8 }),
    put: fc.uint8Array({ maxLength: 8 }),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(change, { maxLength: 4 }),
      contentTypes,
      (seed, changes, contentType) => {
        let bytes: Uint8Array = Buffer.from(JSON.stringify(seed));
        for (const { at, cut, put } of changes) {
          const start = Math.floor(at * bytes.length);
          bytes = Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(start + cut)]);
        }
        seen.add(checkPromises(bytes, contentType));
      },
    ),
    limits,
  );
  assert.deepEqual(seen, new Set([true, false]), "the changes are either all harmless or all fatal");
});

test("keeps its promises for manifests in which any value was replaced by any other", () => {
  const seen = new Set<boolean>();
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.nat(),
      fc.jsonValue(),
      contentTypes,
      (seed, target, put, contentType) => {
        let position = 0;
        const count = countValues(seed);
        const text = JSON.stringify(seed, (_, value: unknown) =>
          position++ === target % count ? put : value,
        );
        seen.add(checkPromises(Buffer.from(text), contentType));
      },
    ),
    limits,
  );
  assert.deepEqual(seen, new Set([true, false]), "the changes are either all harmless or all fatal");
});

function countValues(value: unknown): number {
  let count = 0;
  JSON.stringify(value, (_, inner: unknown) => {
    count++;
    return inner;
  });
  return count;
}

test("throws nothing but OciError for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: "binary" }), (bytes, contentType) => {
      checkPromises(bytes, contentType);
    }),
    { ...limits, interruptAfterTimeLimit: 300 },
  );
});
