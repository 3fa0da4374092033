import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { parseDigest } from "@entrepot/oci/digest";
import { mediaTypes } from "@entrepot/oci/media-types";
import { parseReference } from "@entrepot/oci/reference";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { digestOf } from "./content-hash.ts";
import { createRegistryClient, type RegistryClient } from "./registry-client.ts";
import { RegistryError } from "./registry-error.ts";
import {
  type DockerRegistry,
  missingDockerRegistry,
  startDockerRegistry,
} from "./testing/docker-registry.ts";
import { type FaultProxy, startFaultProxy } from "./testing/fault-proxy.ts";
import { pushReferrer, pushSampleImage, sourceOf } from "./testing/sample-image.ts";

const repository = parseRepositoryName("team/app");
const retry = { attempts: 4, firstDelayMs: 5, maxDelayMs: 30_000 };

describe("registry client", { skip: missingDockerRegistry() }, () => {
  let registry: DockerRegistry;
  let proxy: FaultProxy;
  let client: RegistryClient;

  before(async () => {
    registry = await startDockerRegistry();
    proxy = await startFaultProxy(registry.origin);
    client = createRegistryClient({ origin: proxy.origin, retry });
  });
  after(async () => {
    await client.close();
    await proxy.stop();
    await registry.stop();
  });

  async function read(digest: ReturnType<typeof digestOf>, fromByte = 0): Promise<Buffer> {
    const { chunks } = await client.getBlob({ repository, digest, fromByte });
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(chunk);
    return Buffer.concat(parts);
  }

  it("pushes, finds, reads and deletes a blob", async () => {
    const bytes = randomBytes(300_000);
    const digest = digestOf(bytes);
    assert.equal(await client.headBlob({ repository, digest }), undefined);
    await client.uploadBlob(sourceOf(bytes), { repository });
    assert.equal(await client.headBlob({ repository, digest }), 300_000);
    assert.deepEqual(await read(digest), bytes);
    assert.deepEqual(await read(digest, 299_990), bytes.subarray(299_990));
    assert.equal(await client.deleteBlob({ repository, digest }), true);
    assert.equal(await client.deleteBlob({ repository, digest }), false);
  });

  it("pushes an empty blob", async () => {
    await client.uploadBlob(sourceOf(new Uint8Array()), { repository });
    assert.equal(await client.headBlob({ repository, digest: digestOf(new Uint8Array()) }), 0);
  });

  it("goes on by a range where a download broke, and gives every byte once", async () => {
    const bytes = randomBytes(900_000);
    const digest = digestOf(bytes);
    await client.uploadBlob(sourceOf(bytes), { repository });
    proxy.setFault((method, path, count) =>
      method === "GET" && path.includes(digest) && count < 2
        ? { kind: "cut-answer", afterBytes: 250_000 }
        : undefined,
    );
    const start = proxy.requests.length;
    assert.deepEqual(await read(digest), bytes);
    proxy.setFault(() => undefined);
    const gets = proxy.requests.slice(start);
    assert.equal(gets.length, 3);
    assert.match(gets[1] ?? "", /\[bytes=\d+-\]$/);
    assert.match(gets[2] ?? "", /\[bytes=\d+-\]$/);
  });

  it("gives up a download that breaks again and again without a byte", async () => {
    const bytes = randomBytes(50_000);
    const digest = digestOf(bytes);
    await client.uploadBlob(sourceOf(bytes), { repository });
    proxy.setFault((method) => (method === "GET" ? { kind: "cut-answer", afterBytes: 0 } : undefined));
    await assert.rejects(read(digest), /breaks off blob .* after 0 bytes again and again/);
    proxy.setFault(() => undefined);
  });

  it("tells when a blob is not what its digest says", async () => {
    const bytes = randomBytes(10_000);
    const digest = digestOf(bytes);
    proxy.setFault((method) =>
      method === "GET" ? { kind: "answer", status: 200, headers: {}, body: "something else" } : undefined,
    );
    await assert.rejects(read(digest), { name: "RegistryError", code: "DIGEST_INVALID" });
    proxy.setFault(() => undefined);
  });

  it("asks for the status and goes on where an upload between chunks broke", async () => {
    const bytes = randomBytes(500_000);
    const opens: number[] = [];
    let patches = 0;
    proxy.setFault((method) => {
      if (method !== "PATCH") return undefined;
      patches++;
      return patches === 3 ? { kind: "cut-request", afterBytes: 0 } : undefined;
    });
    await client.uploadBlob(sourceOf(bytes, opens), { repository, chunkBytes: 100_000 });
    proxy.setFault(() => undefined);
    assert.deepEqual(await read(digestOf(bytes)), bytes);
    assert.deepEqual(opens, [0, 200_000]);
  });

  it("begins anew where a registry cannot go on behind a chunk whose answer was lost", async () => {
    const bytes = randomBytes(500_000);
    const opens: number[] = [];
    let patches = 0;
    proxy.setFault((method) => (method === "PATCH" && ++patches === 3 ? { kind: "lose-answer" } : undefined));
    await client.uploadBlob(sourceOf(bytes, opens), { repository, chunkBytes: 100_000 });
    proxy.setFault(() => undefined);
    // distribution 2 keeps the offset in the address it gives out, and refuses one that is behind.
    assert.deepEqual(opens, [0, 0]);
    assert.deepEqual(await read(digestOf(bytes)), bytes);
  });

  it("begins anew where a registry lost an upload that broke in the middle of a request", async () => {
    const bytes = randomBytes(400_000);
    const opens: number[] = [];
    let cuts = 0;
    proxy.setFault((method) => {
      if (method !== "PUT" || cuts++ > 0) return undefined;
      return { kind: "cut-request", afterBytes: 150_000 };
    });
    await client.uploadBlob(sourceOf(bytes, opens), { repository });
    proxy.setFault(() => undefined);
    assert.deepEqual(await read(digestOf(bytes)), bytes);
    assert.equal(opens.length >= 2, true);
  });

  it("takes a closing request whose answer was lost as done", async () => {
    const bytes = randomBytes(20_000);
    let puts = 0;
    proxy.setFault((method) => (method === "PUT" && puts++ === 0 ? { kind: "lose-answer" } : undefined));
    await client.uploadBlob(sourceOf(bytes), { repository });
    proxy.setFault(() => undefined);
    assert.equal(puts, 1);
    assert.deepEqual(await read(digestOf(bytes)), bytes);
  });

  it("tells a source's own failure instead of retrying it", async () => {
    const source = {
      digest: digestOf(randomBytes(8)),
      sizeBytes: 100_000,
      async *open() {
        yield randomBytes(1_000);
        throw new Error("the disk is broken");
      },
    };
    await assert.rejects(client.uploadBlob(source, { repository }), /the disk is broken/);
  });

  it("waits as long as Retry-After says", async () => {
    proxy.setFault((_method, _path, count) =>
      count === 0 ? { kind: "answer", status: 429, headers: { "retry-after": "1" } } : undefined,
    );
    const startedMs = performance.now();
    await client.ping();
    proxy.setFault(() => undefined);
    assert.equal(performance.now() - startedMs >= 990, true);
  });

  it("tells a refusal when Retry-After is longer than allowed", async () => {
    proxy.setFault(() => ({ kind: "answer", status: 503, headers: { "retry-after": "3600" } }));
    await assert.rejects(client.ping(), { name: "RegistryError", status: 503 });
    proxy.setFault(() => undefined);
  });

  it("stops at once when it is aborted while it waits", async () => {
    proxy.setFault(() => ({ kind: "answer", status: 503, headers: { "retry-after": "30" } }));
    const startedMs = performance.now();
    await assert.rejects(client.ping(AbortSignal.timeout(50)), { name: "TimeoutError" });
    proxy.setFault(() => undefined);
    assert.equal(performance.now() - startedMs < 15_000, true);
  });

  it("pushes, heads, reads and deletes manifests, and lists tags and repositories", async () => {
    const image = await pushSampleImage(client, "team/listed", ["1", "2"], [1_000]);
    const listed = parseRepositoryName("team/listed");
    const got = await client.getManifest({ repository: listed, reference: parseReference("1") });
    assert.deepEqual([got.digest, got.mediaType], [image.digest, mediaTypes.imageManifest]);
    assert.equal(
      (await client.headManifest({ repository: listed, reference: parseReference("2") }))?.digest,
      image.digest,
    );
    assert.deepEqual((await collect(client.listTags(listed))).sort(), ["1", "2"]);
    const names = await collect(client.listRepositories());
    assert.equal(names.includes("team/listed"), true);
    assert.equal(
      await client.deleteManifest({ repository: listed, reference: parseReference(image.digest) }),
      true,
    );
    assert.equal(
      await client.headManifest({ repository: listed, reference: parseReference("1") }),
      undefined,
    );
  });

  it("follows the pages of a listing", async () => {
    proxy.setFault((_method, path) => {
      if (!path.includes("/tags/list")) return undefined;
      const isSecond = path.includes("last=b");
      const link = { link: '</v2/team/app/tags/list?n=2&last=b>; rel="next"' };
      const tags = isSecond ? ["c"] : ["a", "b"];
      return {
        kind: "answer",
        status: 200,
        headers: isSecond ? {} : link,
        body: JSON.stringify({ name: "x", tags }),
      };
    });
    assert.deepEqual(await collect(client.listTags(repository)), ["a", "b", "c"]);
    proxy.setFault(() => undefined);
  });

  it("refuses a listing whose page names itself as the next", async () => {
    proxy.setFault((_method, path) =>
      path.includes("/tags/list")
        ? { kind: "answer", status: 200, headers: { link: `<${path}>; rel="next"` }, body: '{"tags":[]}' }
        : undefined,
    );
    await assert.rejects(collect(client.listTags(repository)), /pages do not end/);
    proxy.setFault(() => undefined);
  });

  it("reads referrers from the tag where a registry has no API for them", async () => {
    const image = await pushSampleImage(client, "team/signed", ["1"], [1_000]);
    const signed = parseRepositoryName("team/signed");
    assert.deepEqual(await collect(client.listReferrers({ repository: signed, subject: image.digest })), []);
    const referrer = await pushReferrer(client, "team/signed", image, "application/vnd.example.sbom");
    const { pushReferrersTag } = await import("./push-referrers-tag.ts");
    await pushReferrersTag(client, {
      repository: signed,
      subject: image.digest,
      referrer: { ...referrer, artifactType: "application/vnd.example.sbom" },
    });
    const request = { repository: signed, subject: image.digest };
    const found = await collect(client.listReferrers(request));
    assert.deepEqual(
      found.map(({ digest }) => digest),
      [referrer.digest],
    );
    assert.deepEqual(await collect(client.listReferrers({ ...request, artifactType: "other/type" })), []);
  });

  it("tells in a sentence what is missing and where", async () => {
    await assert.rejects(
      client.getManifest({ repository, reference: parseReference("none") }),
      (error: unknown) =>
        error instanceof RegistryError &&
        error.status === 404 &&
        error.code === "MANIFEST_UNKNOWN" &&
        /^cannot read manifest team\/app:none at 127\.0\.0\.1:\d+: manifest unknown \(404 MANIFEST_UNKNOWN\)$/.test(
          error.message,
        ),
    );
  });

  it("tells when nothing listens", async () => {
    const nobody = createRegistryClient({ origin: "http://127.0.0.1:1", retry });
    await assert.rejects(nobody.ping(), /cannot greet the registry at 127\.0\.0\.1:1: nothing listens there/);
    await nobody.close();
  });

  it("refuses a manifest that is something else than was asked for", async () => {
    proxy.setFault((_method, path) =>
      path.includes("/manifests/") ? { kind: "answer", status: 200, headers: {}, body: "{}" } : undefined,
    );
    const digest = parseDigest(`sha256:${"0".repeat(64)}`);
    await assert.rejects(client.getManifest({ repository, reference: { kind: "digest", digest } }), {
      code: "DIGEST_INVALID",
    });
    proxy.setFault(() => undefined);
  });
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
