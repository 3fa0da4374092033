import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Digest } from "@entrepot/oci/digest";
import { parseManifest } from "@entrepot/oci/manifest";
import { mediaTypes } from "@entrepot/oci/media-types";
import { parseReference } from "@entrepot/oci/reference";
import { parseRepositoryName, type RepositoryName } from "@entrepot/oci/repository-name";
import { parseTagName } from "@entrepot/oci/tag-name";
import { copyImage } from "./copy-image.ts";
import type { CopyEvent } from "./copy-options.ts";
import { createRegistryClient, type RegistryClient } from "./registry-client.ts";
import {
  type DockerRegistry,
  missingDockerRegistry,
  startDockerRegistry,
} from "./testing/docker-registry.ts";
import { type FaultProxy, startFaultProxy } from "./testing/fault-proxy.ts";
import { pushJson, pushReferrer, pushSampleImage } from "./testing/sample-image.ts";

const retry = { attempts: 3, firstDelayMs: 5, maxDelayMs: 1_000 };

describe("copying between registries", { skip: missingDockerRegistry() }, () => {
  const registries: DockerRegistry[] = [];
  const proxies: FaultProxy[] = [];
  let source: RegistryClient;
  let target: RegistryClient;
  let run = 0;
  let from: RepositoryName;
  let to: RepositoryName;

  before(async () => {
    for (let index = 0; index < 2; index++) {
      const registry = await startDockerRegistry();
      registries.push(registry);
      proxies.push(await startFaultProxy(registry.origin));
    }
    source = createRegistryClient({ origin: proxies[0]?.origin ?? "", retry });
    target = createRegistryClient({ origin: proxies[1]?.origin ?? "", retry });
  });
  after(async () => {
    await source.close();
    await target.close();
    for (const proxy of proxies) await proxy.stop();
    for (const registry of registries) await registry.stop();
  });
  beforeEach(() => {
    for (const proxy of proxies) proxy.setFault(() => undefined);
    run++;
    from = parseRepositoryName(`from/app${run}`);
    to = parseRepositoryName(`to/app${run}`);
  });

  const tags = [parseTagName("copied")];
  const ask = (text: string) => ({
    source: { client: source, repository: from, reference: parseReference(text) },
    target: { client: target, repository: to, tags },
  });

  /** Every blob that a manifest at the target names can be read there, with its digest. */
  async function checkBlobs(digest: Digest): Promise<void> {
    const { bytes, mediaType } = await target.getManifest({
      repository: to,
      reference: { kind: "digest", digest },
    });
    const parsed = parseManifest(bytes, mediaType);
    for (const blob of [...(parsed.config ? [parsed.config] : []), ...parsed.layers]) {
      const { chunks } = await target.getBlob({ repository: to, digest: blob.digest });
      let sizeBytes = 0;
      for await (const chunk of chunks) sizeBytes += chunk.byteLength;
      assert.equal(sizeBytes, blob.size);
    }
    for (const child of parsed.manifests) await checkBlobs(child.digest);
  }

  async function pushIndex(): Promise<{ digest: Digest; amd64: Digest; arm64: Digest }> {
    const amd64 = await pushSampleImage(source, from, [], [100_000, 5_000], "amd64");
    const arm64 = await pushSampleImage(source, from, [], [90_000, 4_000], "arm64");
    const manifests = [
      { ...amd64, platform: { os: "linux", architecture: "amd64" } },
      { ...arm64, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
    ];
    const index = await pushJson(source, from, { mediaType: mediaTypes.imageIndex, manifests }, ["all"]);
    return { digest: index.digest, amd64: amd64.digest, arm64: arm64.digest };
  }

  it("copies an index with everything in it, and nothing twice", async () => {
    const index = await pushIndex();
    const events: CopyEvent[] = [];
    const first = await copyImage({ ...ask("all"), onEvent: (event) => events.push(event) });
    assert.equal(first.digest, index.digest);
    assert.equal(first.manifests, 3);
    assert.deepEqual(first.blobs, { sent: 6, mounted: 0, present: 0 });
    assert.equal(events.filter(({ kind }) => kind === "blob").length, 6);
    const copied = await target.headManifest({ repository: to, reference: parseReference("copied") });
    assert.equal(copied?.digest, index.digest);
    await checkBlobs(index.digest);

    const again = await copyImage(ask("all"));
    assert.deepEqual(again.blobs, { sent: 0, mounted: 0, present: 6 });
    assert.equal(again.sentBytes, 0);
  });

  it("copies the image of one platform", async () => {
    const index = await pushIndex();
    const result = await copyImage({ ...ask("all"), platform: "linux/arm64" });
    assert.equal(result.digest, index.arm64);
    assert.deepEqual([result.manifests, result.blobs.sent], [1, 3]);
    const other = { repository: to, reference: { kind: "digest", digest: index.amd64 } } as const;
    assert.equal(await target.headManifest(other), undefined);
    await assert.rejects(
      copyImage({ ...ask("all"), platform: "windows/amd64" }),
      /no image for "windows\/amd64"; there are: linux\/amd64, linux\/arm64\/v8/,
    );
  });

  it("takes referrers along, and theirs, only when it is told to", async () => {
    const image = await pushSampleImage(source, from, ["1"], [1_000]);
    const { pushReferrersTag } = await import("./push-referrers-tag.ts");
    const sbom = await pushReferrer(source, from, image, "application/vnd.example.sbom");
    await pushReferrersTag(source, { repository: from, subject: image.digest, referrer: sbom });
    const signature = await pushReferrer(source, from, sbom, "application/vnd.example.signature");
    await pushReferrersTag(source, { repository: from, subject: sbom.digest, referrer: signature });

    const subject = { repository: to, subject: image.digest };
    assert.equal((await copyImage(ask("1"))).manifests, 1);
    assert.deepEqual(await digests(target, subject), []);
    assert.equal((await copyImage({ ...ask("1"), withReferrers: true })).manifests, 3);
    assert.deepEqual(await digests(target, subject), [sbom.digest]);
    assert.deepEqual(await digests(target, { ...subject, subject: sbom.digest }), [signature.digest]);
  });

  it("mounts within one registry instead of sending", async () => {
    await pushSampleImage(source, from, ["1"], [50_000]);
    const result = await copyImage({
      ...ask("1"),
      target: { client: source, repository: parseRepositoryName(`mounted/app${run}`), tags },
    });
    assert.deepEqual(result.blobs, { sent: 0, mounted: 2, present: 0 });
  });

  it("survives broken connections on both sides", async () => {
    const image = await pushSampleImage(source, from, ["1"], [600_000, 300_000]);
    proxies[0]?.setFault((method, path, count) =>
      method === "GET" && path.includes("/blobs/") && count === 0
        ? { kind: "cut-answer", afterBytes: 100_000 }
        : undefined,
    );
    let cuts = 0;
    proxies[1]?.setFault((method) =>
      method === "PATCH" && cuts++ < 2 ? { kind: "cut-request", afterBytes: 50_000 } : undefined,
    );
    const result = await copyImage({ ...ask("1"), chunkBytes: 128_000, concurrency: 1 });
    assert.equal(result.digest, image.digest);
    assert.equal(cuts >= 2, true);
    await checkBlobs(image.digest);
  });

  it("leaves no tag behind when it fails, and goes on where it stopped when it is run again", async () => {
    await pushSampleImage(source, from, ["1"], [30_000, 20_000]);
    let posts = 0;
    proxies[1]?.setFault((method) =>
      method === "POST" && ++posts > 1
        ? { kind: "answer", status: 403, headers: {}, body: '{"errors":[{"code":"DENIED"}]}' }
        : undefined,
    );
    await assert.rejects(copyImage({ ...ask("1"), concurrency: 1 }), { status: 403, code: "DENIED" });
    assert.equal(
      await target.headManifest({ repository: to, reference: parseReference("copied") }),
      undefined,
    );
    proxies[1]?.setFault(() => undefined);
    const result = await copyImage(ask("1"));
    assert.deepEqual(result.blobs, { sent: 2, mounted: 0, present: 1 });
  });

  it("stores nothing of a source that sends something else than the digest says", async () => {
    await pushSampleImage(source, from, ["1"], [40_000]);
    proxies[0]?.setFault((method, path) =>
      method === "GET" && path.includes("/blobs/")
        ? { kind: "answer", status: 200, headers: { "content-length": "40000" }, body: "x".repeat(40_000) }
        : undefined,
    );
    await assert.rejects(copyImage(ask("1")), { name: "RegistryError" });
    assert.equal(
      await target.headManifest({ repository: to, reference: parseReference("copied") }),
      undefined,
    );
  });

  it("ends soon after it is aborted", async () => {
    await pushSampleImage(source, from, ["1"], [40_000]);
    const abort = new AbortController();
    const copying = copyImage({
      ...ask("1"),
      signal: abort.signal,
      onEvent: ({ kind }) => {
        if (kind === "planned") abort.abort(new Error("enough"));
      },
    });
    await assert.rejects(copying, /enough/);
    assert.equal(
      await target.headManifest({ repository: to, reference: parseReference("copied") }),
      undefined,
    );
  });
});

async function digests(
  client: RegistryClient,
  request: { readonly repository: RepositoryName; readonly subject: Digest },
): Promise<readonly Digest[]> {
  const found: Digest[] = [];
  for await (const { digest } of client.listReferrers(request)) found.push(digest);
  return found;
}
