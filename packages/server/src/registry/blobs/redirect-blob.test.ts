import assert from "node:assert/strict";
import { test } from "node:test";
import { parseIpNetwork } from "../../lib/ip-network.ts";
import { digestOf } from "../../storage/blob-store/blob-store.contract.ts";
import type { BlobLocation, BlobStore, SignedReply } from "../../storage/blob-store/blob-store.ts";
import { createObjectBlobStore } from "../../storage/blob-store/objects/object-blob-store.ts";
import { createMemoryMedium } from "../../storage/blob-store/testing/memory-medium.ts";
import { type RedirectPolicy, redirectBlob } from "./redirect-blob.ts";

const policy: RedirectPolicy = {
  mode: "on",
  internalNetworks: [parseIpNetwork("10.0.0.0/8")],
  minBytes: 1_000,
  lifetimeSeconds: 300,
  exceptAgents: ["oldtool/1"],
};
const answer = { contentType: "application/octet-stream", cacheControl: "private" };

async function asked(
  change: Partial<RedirectPolicy>,
  client: { readonly address: string; readonly userAgent?: string } | undefined,
  sizeBytes = 5_000,
): Promise<readonly SignedReply[]> {
  const signed: SignedReply[] = [];
  const store: BlobStore = {
    ...createObjectBlobStore(createMemoryMedium({ partBytes: 64, maxParts: 3 })),
    signUrl: async (_location, reply) => {
      signed.push(reply);
      return "https://objects.example.org/x";
    },
  };
  const blob = {
    digest: digestOf("x"),
    sizeBytes,
    location: "x" as BlobLocation, // as: this store looks at none
    unreferencedSinceMs: undefined,
    repositoryId: 1,
  };
  const call = {
    client: client === undefined ? undefined : { address: client.address, userAgent: client.userAgent },
  };
  const url = await redirectBlob({ blobs: store, redirect: { ...policy, ...change } }, call, blob, answer);
  assert.equal(url !== undefined, signed.length > 0);
  return signed;
}

test("a pull is redirected by the policy, with headers and lifetime signed in", async () => {
  assert.deepEqual(await asked({}, { address: "10.1.2.3" }), [{ expiresSeconds: 300, ...answer }]);
  assert.deepEqual(await asked({ mode: "off" }, { address: "198.51.100.7" }), []);
});

test("only clients outside are redirected, when it says so; whose address is unknown is not", async () => {
  const external = { mode: "external" } as const;
  assert.equal((await asked(external, { address: "198.51.100.7" })).length, 1);
  assert.equal((await asked(external, { address: "10.1.2.3" })).length, 0);
  assert.equal((await asked(external, { address: "::ffff:10.1.2.3" })).length, 0);
  assert.equal((await asked(external, { address: "unknown" })).length, 0);
  assert.equal((await asked(external, undefined)).length, 0);
});

test("small blobs, and clients that cannot follow, are served from here", async () => {
  assert.equal((await asked({}, { address: "198.51.100.7" }, 999)).length, 0);
  assert.equal((await asked({}, { address: "198.51.100.7", userAgent: "OldTool/1.2 linux" })).length, 0);
  assert.equal((await asked({}, { address: "198.51.100.7", userAgent: "docker/28" })).length, 1);
});
