import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { put } from "../blob-store.contract.ts";
import type { BlobStore } from "../blob-store.ts";

const reply = { expiresSeconds: 60, contentType: "application/octet-stream", cacheControl: "private" };

/** What a signed address must not be made into: a text that is in it, and what stands there instead. */
export type Alteration = readonly [from: RegExp | string, to: string];

/**
 * That an address which the store signs gives this blob, whole and in ranges, with its content type where the service tells it; and that it is good for nothing when it is
 * altered, nor for the other requests.
 */
export async function expectOneBlobOnly(
  store: BlobStore,
  options: {
    readonly alterations: readonly Alteration[];
    readonly refusal: number;
    readonly others?: readonly RequestInit[];
  },
): Promise<void> {
  const bytes = randomBytes(2_000);
  const location = await put(store, "u1", bytes);
  const address = (await store.signUrl(location, reply)) ?? "";
  const got = await fetch(address, { headers: { range: "bytes=10-19" } });
  assert.deepEqual([got.status, Buffer.from(await got.arrayBuffer())], [206, bytes.subarray(10, 20)]);
  assert.equal(got.headers.get("content-type"), reply.contentType);
  for (const [from, to] of options.alterations) {
    const altered = address.replace(from, to);
    assert.notEqual(altered, address, String(from));
    assert.equal(await statusOf(altered), options.refusal, String(from));
  }
  for (const other of options.others ?? []) {
    assert.equal(await statusOf(address, other), options.refusal, other.method ?? "GET");
  }
  await store.deleteBlob(location);
}

async function statusOf(address: string, init: RequestInit = {}): Promise<number> {
  const answer = await fetch(address, init);
  await answer.arrayBuffer();
  return answer.status;
}
