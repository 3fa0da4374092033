import assert from "node:assert/strict";
import { test } from "node:test";
import { parseReference } from "@entrepot/oci/reference";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { getManifest } from "../manifests/get-manifest.ts";
import { checkInvariants } from "../testing/check-invariants.ts";
import { pushImage, repositoryName, tagName } from "../testing/content.ts";
import { beforeTransaction } from "../testing/interrupt.ts";
import { openTestRegistry } from "../testing/open-test-registry.ts";
import { deleteTag } from "./delete-tag.ts";
import { listTags } from "./list-tags.ts";

const repository = repositoryName("library/app");
const v1 = tagName("v1");

eachDatabase((open) => {
  test("lists tags in byte order, by pages", async (t) => {
    const registry = await openTestRegistry(open, t);
    await pushImage(registry, repository, {}, ["b", "a", "A", "_", "10", "9"]);
    const sorted = ["10", "9", "A", "_", "a", "b"];
    const list = (limit: number, last?: string) => listTags(registry.deps, repository, { limit, last });
    assert.deepEqual(await list(100), { tags: sorted, hasMore: false });
    assert.deepEqual(await list(6), { tags: sorted, hasMore: false });
    assert.deepEqual(await list(2), { tags: ["10", "9"], hasMore: true });
    assert.deepEqual(await list(4, "9"), { tags: ["A", "_", "a", "b"], hasMore: false });
    assert.deepEqual(await list(1, "B"), { tags: ["_"], hasMore: true }, "`last` need not exist");
    assert.deepEqual(await list(0), { tags: [], hasMore: false });
    assert.deepEqual(await list(5, "b"), { tags: [], hasMore: false });
    await assert.rejects(listTags(registry.deps, repositoryName("no/where"), { limit: 1, last: undefined }), {
      code: "NAME_UNKNOWN",
    });
  });

  test("deleting a tag leaves the manifest and its other tags, and is written down", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await pushImage(registry, repository, {}, ["v1", "v2"]);
    await getManifest(registry.deps, repository, parseReference("v1"));
    await deleteTag(registry.deps, registry.call(), { repository, tag: v1 });
    await assert.rejects(getManifest(registry.deps, repository, parseReference("v1")), {
      code: "MANIFEST_UNKNOWN",
    });
    for (const reference of ["v2", digest]) {
      const manifest = await getManifest(registry.deps, repository, parseReference(reference));
      assert.equal(manifest.digest, digest);
    }
    await checkInvariants(registry.database, registry.blobs);
    await deleteTag(registry.deps, registry.call(), { repository, tag: tagName("v2") });
    await checkInvariants(registry.database, registry.blobs);
    const { read } = registry.database;
    const history = await read.selectFrom("tag_history").selectAll().orderBy("id").execute();
    assert.deepEqual(
      history.slice(2).map((row) => [row.tag, row.digest_before, row.digest_after, row.actor]),
      [
        ["v1", digest, null, "ada"],
        ["v2", digest, null, "ada"],
      ],
    );
    const events = await read.selectFrom("events").selectAll().where("kind", "=", "tag.deleted").execute();
    assert.deepEqual(JSON.parse(events[0]?.payload ?? ""), { tag: "v1", before: digest });
  });

  test("a tag that is not there is unknown, and nothing is written down", async (t) => {
    const registry = await openTestRegistry(open, t);
    await pushImage(registry, repository, {});
    for (const name of [repository, repositoryName("no/where")]) {
      await assert.rejects(deleteTag(registry.deps, registry.call(), { repository: name, tag: v1 }), {
        code: "MANIFEST_UNKNOWN",
      });
    }
    assert.deepEqual(await registry.database.read.selectFrom("tag_history").selectAll().execute(), []);
  });

  test("a tag cannot be deleted when the repository goes at that moment", async (t) => {
    const registry = await openTestRegistry(open, t);
    await pushImage(registry, repository, {}, ["v1"]);
    const deps = beforeTransaction(registry.deps, 1, () =>
      registry.database.transaction(async (tx) => {
        await tx.deleteFrom("tags").execute();
        await tx.deleteFrom("repositories").execute();
      }),
    );
    await assert.rejects(deleteTag(deps, registry.call(), { repository, tag: v1 }), {
      code: "MANIFEST_UNKNOWN",
    });
  });
});
