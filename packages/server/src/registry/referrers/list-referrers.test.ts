import assert from "node:assert/strict";
import { test } from "node:test";
import { mediaTypes } from "@entrepot/oci/media-types";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { deleteManifest } from "../manifests/delete-manifest.ts";
import { checkInvariants } from "../testing/check-invariants.ts";
import { digestOf, imageBytes, push, put, repositoryName } from "../testing/content.ts";
import { openTestRegistry, type TestRegistry } from "../testing/open-test-registry.ts";
import { listReferrers } from "./list-referrers.ts";

const repository = repositoryName("library/app");
const subject = digestOf("the subject");

eachDatabase((open) => {
  test("lists what refers to a subject, present or not, in the order of the pushes", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repository, "{}");
    const plain = imageBytes({ subject });
    const typed = imageBytes({ subject, artifactType: "a/sbom", annotations: { note: "x" } });
    for (const body of [plain, typed, imageBytes({}), imageBytes({ subject: digestOf("another") })]) {
      const put1 = await put(registry, repository, body);
      if (body === plain) assert.equal(put1.subject, subject);
    }
    const { descriptors, next } = await list(registry);
    assert.equal(next, undefined);
    assert.deepEqual(descriptors, [
      {
        mediaType: mediaTypes.imageManifest,
        digest: digestOf(plain),
        size: plain.byteLength,
        artifactType: mediaTypes.imageConfig,
      },
      {
        mediaType: mediaTypes.imageManifest,
        digest: digestOf(typed),
        size: typed.byteLength,
        artifactType: "a/sbom",
        annotations: { note: "x" },
      },
    ]);
    const filtered = await list(registry, { artifactTypes: ["a/sbom", "a/other"] });
    assert.deepEqual(
      filtered.descriptors.map(({ digest }) => digest),
      [digestOf(typed)],
    );
    assert.deepEqual((await list(registry, { artifactTypes: ["a/none"] })).descriptors, []);
    await deleteManifest(registry.deps, byRegistry, { repository, digest: digestOf(plain) });
    assert.equal((await list(registry)).descriptors.length, 1);
    await checkInvariants(registry.database, registry.blobs);
  });

  test("an index that refers has no artifact type to show unless it says one", async (t) => {
    const registry = await openTestRegistry(open, t);
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.imageIndex,
        manifests: [],
        subject: { mediaType: mediaTypes.imageManifest, digest: subject, size: 2 },
      }),
    );
    await put(registry, repository, body);
    const { descriptors } = await list(registry);
    assert.deepEqual(descriptors, [
      { mediaType: mediaTypes.imageIndex, digest: digestOf(body), size: body.byteLength },
    ]);
    assert.deepEqual((await list(registry, { artifactTypes: [mediaTypes.imageConfig] })).descriptors, []);
  });

  test("is empty, and no error, where nothing is", async (t) => {
    const registry = await openTestRegistry(open, t);
    const nothing = { descriptors: [], next: undefined };
    assert.deepEqual(await list(registry), nothing);
    await push(registry, repository, "{}");
    assert.deepEqual(await list(registry), nothing);
    await put(registry, repository, imageBytes({ subject }));
    assert.deepEqual(await list(registry, { limit: 0 }), nothing);
  });

  test("pages end by count, and go on where they ended", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repository, "{}");
    const pushed: string[] = [];
    for (let number = 0; number < 5; number++) {
      const body = imageBytes({ subject, annotations: { number: String(number) } });
      pushed.push((await put(registry, repository, body)).digest);
    }
    for (const limit of [1, 2, 5, 5_000]) {
      const { found, pages } = await all(registry, limit);
      assert.deepEqual(found, pushed);
      assert.equal(pages, Math.ceil(5 / limit));
    }
  });

  test("pages end by size, so that no client gets more than it can read", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repository, "{}");
    const pushed: string[] = [];
    for (let number = 0; number < 3; number++) {
      const annotations = { long: "x".repeat(2_000_000), number: String(number) };
      pushed.push((await put(registry, repository, imageBytes({ subject, annotations }))).digest);
    }
    assert.deepEqual(await all(registry, 1_000), { found: pushed, pages: 3 });
    const huge = { long: "x".repeat(3_900_000) };
    pushed.push((await put(registry, repository, imageBytes({ subject, annotations: huge }))).digest);
    assert.deepEqual(
      await all(registry, 1_000),
      { found: pushed, pages: 4 },
      "one that is too long comes alone",
    );
  });
});

function list(registry: TestRegistry, query: Partial<Parameters<typeof listReferrers>[1]> = {}) {
  return listReferrers(registry.deps, {
    repository,
    subject,
    artifactTypes: [],
    after: 0,
    limit: 1_000,
    ...query,
  });
}

async function all(registry: TestRegistry, limit: number) {
  const found: string[] = [];
  let pages = 0;
  for (let after: number | undefined = 0; after !== undefined; pages++) {
    const { descriptors, next }: Awaited<ReturnType<typeof list>> = await list(registry, { limit, after });
    found.push(...descriptors.map(({ digest }) => digest));
    after = next;
  }
  return { found, pages };
}
