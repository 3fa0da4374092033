import assert from "node:assert/strict";
import { test } from "node:test";
import { mediaTypes } from "@entrepot/oci/media-types";
import { OciError } from "@entrepot/oci/oci-error";
import { parseReference } from "@entrepot/oci/reference";
import { byPartOfRegistry, byRegistry } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import { forNoKeyUpdate } from "../../storage/database/row-locks.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { checkInvariants } from "../testing/check-invariants.ts";
import {
  bytesOf,
  digestOf,
  imageBytes,
  indexBytes,
  push,
  pushImage,
  put,
  repositoryName,
} from "../testing/content.ts";
import { beforeTransaction } from "../testing/interrupt.ts";
import { openTestRegistry, type TestRegistry, userActor } from "../testing/open-test-registry.ts";
import { deleteManifest } from "./delete-manifest.ts";
import { getManifest } from "./get-manifest.ts";
import { putManifest } from "./put-manifest.ts";

const repository = repositoryName("library/app");

eachDatabase((open) => {
  test("stores a manifest byte for byte under its digest and all its tags", async (t) => {
    const registry = await openTestRegistry(open, t);
    const body = Buffer.concat([bytesOf("  "), imageBytes({ layers: ["layer"] }), bytesOf("\n")]);
    await push(registry, repository, "{}");
    await push(registry, repository, "layer");
    const { digest, warnings, subject } = await put(registry, repository, body, ["v1", "latest", "v1"]);
    assert.deepEqual(
      { digest, warnings, subject },
      { digest: digestOf(body), warnings: [], subject: undefined },
    );
    for (const reference of ["v1", "latest", digest]) {
      const manifest = await getManifest(registry.deps, repository, parseReference(reference));
      assert.deepEqual(Buffer.from(manifest.body), body);
      assert.equal(manifest.mediaType, mediaTypes.imageManifest);
    }
    assert.deepEqual(await history(registry), [
      `v1: null → ${digest} by ada`,
      `latest: null → ${digest} by ada`,
    ]);
    assert.deepEqual(await events(registry), [
      "repository.created",
      "manifest.pushed",
      "tag.updated",
      "tag.updated",
    ]);
    await checkInvariants(registry.database, registry.blobs);
  });

  test("pushing the same again changes no tag and writes no history", async (t) => {
    const registry = await openTestRegistry(open, t);
    await pushImage(registry, repository, {}, ["v1"]);
    await put(registry, repository, imageBytes({}), ["v1"]);
    assert.equal((await history(registry)).length, 1);
    assert.equal((await events(registry)).filter((kind) => kind === "tag.updated").length, 1);
    assert.equal((await registry.database.read.selectFrom("manifests").select("id").execute()).length, 1);
  });

  test("moving a tag is in the history, and the manifest it left is kept untagged", async (t) => {
    const registry = await openTestRegistry(open, t);
    const first = await pushImage(registry, repository, { config: "1" }, ["v1"]);
    const second = await pushImage(registry, repository, { config: "2" }, ["v1"]);
    assert.deepEqual(await history(registry), [
      `v1: null → ${first} by ada`,
      `v1: ${first} → ${second} by ada`,
    ]);
    const left = await getManifest(registry.deps, repository, parseReference(first));
    assert.equal(left.digest, first);
    await checkInvariants(registry.database, registry.blobs);
  });

  test("takes sha512 by digest, and any content type's word for the media type", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repository, "{}");
    const body = imageBytes({});
    const digest = digestOf(body, "sha512");
    const reference = parseReference(digest);
    const manifest = { repository, reference, tags: [], contentType: mediaTypes.imageManifest, body };
    assert.equal((await putManifest(registry.deps, registry.call(), manifest)).digest, digest);
    assert.equal((await getManifest(registry.deps, repository, reference)).digest, digest);
  });

  test("refuses what is no manifest, has another digest or names what is not there, and leaves nothing", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repository, "{}");
    const before = await events(registry);
    const push1 = { repository, tags: [], contentType: mediaTypes.imageManifest };
    const call = registry.call();
    await assert.rejects(
      putManifest(registry.deps, call, { ...push1, reference: parseReference("v1"), body: bytesOf("{") }),
      (error) => error instanceof OciError && error.code === "MANIFEST_INVALID",
    );
    const other = parseReference(digestOf("other"));
    await assert.rejects(
      putManifest(registry.deps, call, { ...push1, reference: other, body: imageBytes({}) }),
      { code: "DIGEST_INVALID" },
    );
    await assert.rejects(put(registry, repository, imageBytes({ layers: ["a", "b"] }), ["v1"]), (error) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, "MANIFEST_BLOB_UNKNOWN");
      assert.deepEqual(error.detail, { missing: [digestOf("a"), digestOf("b")] });
      return true;
    });
    assert.deepEqual(await events(registry), before);
    assert.deepEqual(await history(registry), []);
    assert.deepEqual(await registry.database.read.selectFrom("manifests").select("id").execute(), []);
  });

  test("blobs of other repositories do not count as present", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repositoryName("library/other"), "{}");
    await assert.rejects(put(registry, repository, imageBytes({})), { code: "MANIFEST_BLOB_UNKNOWN" });
  });

  test("layers that are never pushed need not be there", async (t) => {
    const registry = await openTestRegistry(open, t, { sparse: "none" });
    await push(registry, repository, "{}");
    const body = bytesOf(
      imageBytes({ layers: ["foreign"] })
        .toString()
        .replace(mediaTypes.layerTar, mediaTypes.nondistributableLayerTar),
    );
    const { warnings } = await put(registry, repository, body);
    assert.deepEqual(warnings, []);
    await checkInvariants(registry.database, registry.blobs);
  });

  const image = imageBytes({ layers: ["absent"] });
  const index = indexBytes([digestOf("absent")]);
  for (const [sparse, takesImage, takesIndex] of [
    ["none", false, false],
    ["indexes", false, true],
    ["all", true, true],
  ] as const) {
    test(`sparse policy ${sparse}: says what is absent in warnings, or refuses it`, async (t) => {
      const registry = await openTestRegistry(open, t, { sparse });
      await push(registry, repository, "{}");
      for (const [body, isTaken, what] of [
        [image, takesImage, "blobs"],
        [index, takesIndex, "manifests"],
      ] as const) {
        const putting = put(registry, repository, body);
        if (!isTaken) {
          await assert.rejects(putting, { code: "MANIFEST_BLOB_UNKNOWN" });
          continue;
        }
        const { warnings } = await putting;
        assert.equal(warnings.length, 1);
        assert.match(warnings[0] ?? "", new RegExp(`^1 of the ${what} .*${digestOf("absent")}$`));
      }
      await checkInvariants(registry.database, registry.blobs);
    });
  }

  test("entries of an index may be blobs, as build caches have it", async (t) => {
    const registry = await openTestRegistry(open, t, { sparse: "none" });
    const layer = await push(registry, repository, "layer");
    const image = await pushImage(registry, repository, {});
    const { warnings } = await put(registry, repository, indexBytes([layer, image]), ["cache"]);
    assert.deepEqual(warnings, []);
    await checkInvariants(registry.database, registry.blobs);
  });

  test("what a sparse manifest names counts as named once it comes", async (t) => {
    const registry = await openTestRegistry(open, t, { sparse: "all" });
    await put(registry, repository, image, ["v1"]);
    await push(registry, repository, "absent");
    const child = imageBytes({ config: "absent" });
    await put(registry, repository, indexBytes([digestOf(child)]), ["index"]);
    await put(registry, repository, child);
    await checkInvariants(registry.database, registry.blobs);
  });

  test("an index of thousands of entries is stored whole", async (t) => {
    const registry = await openTestRegistry(open, t);
    const children = Array.from({ length: 1_001 }, (_, number) => digestOf(String(number)));
    await put(registry, repository, indexBytes(children), ["v1"]);
    const references = await registry.database.read
      .selectFrom("manifest_references")
      .select("digest")
      .execute();
    assert.equal(references.length, 1_001);
  });

  test("a repository that is deleted at that moment is as one that was never there, and nothing is left of the manifest", async (t) => {
    const body = imageBytes({});
    const manifest = { repository, reference: parseReference("v1"), tags: [], contentType: "", body };
    // Before the look; and, when the repository is a new one, after it was made.
    for (const [at, code] of [
      [1, "MANIFEST_BLOB_UNKNOWN"],
      [3, "NAME_UNKNOWN"],
    ] as const) {
      const registry = await openTestRegistry(open, t);
      if (at === 1) await push(registry, repository, "{}");
      const deps = beforeTransaction(registry.deps, at, () =>
        registry.database.transaction((tx) => tx.deleteFrom("repositories").execute()),
      );
      await assert.rejects(putManifest(deps, registry.call(), manifest), { code });
      assert.deepEqual(await registry.database.read.selectFrom("manifests").select("id").execute(), []);
    }
  });

  test("pushes of the same tags at once follow each other: history has no gap, and what lost its last tag is a candidate", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repository, "{}");
    const bodies = Array.from({ length: 12 }, (_, round) =>
      imageBytes({ annotations: { round: `${round}` } }),
    );
    const tags = ["v1", "latest", "stable"];
    for (const shift of [0, 1, 2]) {
      // Each in another order, so that locks taken in the order asked for would wait for each other.
      const inOrder = (number: number) =>
        tags.map((_, index) => tags[(index + number) % tags.length] ?? "").slice(0, 1 + (number % 3));
      await Promise.all(
        bodies.map((body, number) => put(registry, repository, body, inOrder(number + shift))),
      );
      await checkInvariants(registry.database, registry.blobs);
    }
    const rows = await registry.database.read.selectFrom("tag_history").selectAll().orderBy("id").execute();
    for (const tag of tags) {
      const changes = rows.filter((row) => row.tag === tag);
      for (const [index, change] of changes.entries()) {
        assert.equal(
          change.digest_before,
          changes[index - 1]?.digest_after ?? null,
          `${tag}, change ${index}`,
        );
      }
    }
  });

  test("deleting a manifest takes all its tags, into history and events with who did it", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await pushImage(registry, repository, {}, ["v1", "v2"]);
    const target = { repository, digest };
    await getManifest(registry.deps, repository, parseReference("v1"));
    await deleteManifest(registry.deps, byPartOfRegistry("bob"), target);
    for (const reference of ["v1", "v2", digest]) {
      await assert.rejects(getManifest(registry.deps, repository, parseReference(reference)), {
        code: "MANIFEST_UNKNOWN",
      });
    }
    assert.deepEqual((await history(registry)).slice(2).sort(), [
      `v1: ${digest} → null by bob`,
      `v2: ${digest} → null by bob`,
    ]);
    assert.deepEqual((await events(registry)).slice(-3), ["tag.deleted", "tag.deleted", "manifest.deleted"]);
    await assert.rejects(deleteManifest(registry.deps, byRegistry, target), { code: "MANIFEST_UNKNOWN" });
    const nowhere = { ...target, repository: repositoryName("library/none") };
    await assert.rejects(deleteManifest(registry.deps, byRegistry, nowhere), { code: "MANIFEST_UNKNOWN" });
    await checkInvariants(registry.database, registry.blobs);
  });

  test("a delete finds nothing when the repository or the manifest goes at that moment", async (t) => {
    for (const table of ["manifests", "repositories"] as const) {
      const registry = await openTestRegistry(open, t);
      const digest = await pushImage(registry, repository, {});
      const deps = beforeTransaction(registry.deps, 1, () =>
        registry.database.transaction((tx) => tx.deleteFrom(table).execute()),
      );
      await assert.rejects(deleteManifest(deps, byRegistry, { repository, digest }), {
        code: "MANIFEST_UNKNOWN",
      });
    }
  });

  test("history names who pushed", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repository, "{}");
    const body = imageBytes({});
    const manifest = { repository, reference: parseReference("v1"), tags: [], contentType: "", body };
    await putManifest(registry.deps, registry.call({ actor: userActor(7, "grace") }), manifest);
    assert.deepEqual(await history(registry), [`v1: null → ${digestOf(body)} by grace`]);
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("a tag that is made between the locks of a push and its look, and moves before it writes, leaves nothing held by nobody", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, repository, "{}");
    const [mine, first, second] = ["mine", "first", "second"].map((name) =>
      imageBytes({ annotations: { name } }),
    );
    assert.ok(mine !== undefined && first !== undefined && second !== undefined);
    for (const body of [mine, first, second]) await put(registry, repository, body);
    const [letMine, letSecond] = [
      await holdManifestRow(registry, mine),
      await holdManifestRow(registry, second),
    ];
    const putMine = put(registry, repository, mine, ["new"]);
    await untilWaiting(registry.database, 1); // it has found no tag to hold, and has not looked where the tags point
    await put(registry, repository, first, ["new"]);
    const putSecond = put(registry, repository, second, ["new"]);
    await untilWaiting(registry.database, 2); // it holds the tag
    await letMine();
    await untilWaiting(registry.database, 2); // it writes
    await letSecond();
    await Promise.all([putMine, putSecond]);
    await checkInvariants(registry.database, registry.blobs);
    assert.deepEqual(
      (await history(registry)).map((change) => change.replace(/ by .*/, "")),
      [
        `new: null → ${digestOf(first)}`,
        `new: ${digestOf(first)} → ${digestOf(second)}`,
        `new: ${digestOf(second)} → ${digestOf(mine)}`,
      ],
    );
  });
});

/** Holds the manifest's row, so that who puts it waits; what is returned lets it go. */
function holdManifestRow({ database }: TestRegistry, body: Uint8Array): Promise<() => Promise<void>> {
  return holdTransaction(database, (tx) => {
    const row = tx.selectFrom("manifests").select("id").where("digest", "=", digestOf(body));
    return forNoKeyUpdate(tx, row).executeTakeFirstOrThrow();
  });
}

async function history({ database }: TestRegistry): Promise<readonly string[]> {
  const rows = await database.read.selectFrom("tag_history").selectAll().orderBy("id").execute();
  return rows.map((row) => `${row.tag}: ${row.digest_before} → ${row.digest_after} by ${row.actor}`);
}

async function events({ database }: TestRegistry): Promise<readonly string[]> {
  const rows = await database.read.selectFrom("events").select("kind").orderBy("id").execute();
  return rows.map(({ kind }) => kind);
}
