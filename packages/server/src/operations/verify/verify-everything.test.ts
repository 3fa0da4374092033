import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../lib/clock.ts";
import { newUuid } from "../../lib/ids.ts";
import {
  digestOf,
  imageBytes,
  pushImage,
  put,
  readBlob,
  repositoryName,
} from "../../registry/testing/content.ts";
import { openTestRegistry, type TestRegistry } from "../../registry/testing/open-test-registry.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import { openFilesystemBlobStore } from "../../storage/blob-store/filesystem/filesystem-blob-store.ts";
import { eachDatabase, type OpenTestDatabase } from "../../storage/database/testing/each-database.ts";
import type { Problem } from "./problem.ts";
import type { VerifyDeps, VerifyOptions } from "./verify-deps.ts";
import { verifyEverything } from "./verify-everything.ts";

const app = repositoryName("acme/app");
const other = repositoryName("acme/other");
const image = { layers: ["layer one", "layer two"] };

interface Shown {
  readonly kind: string;
  readonly outcome: string;
}

/** A registry over a folder, with one image in two repositories. */
async function start(open: OpenTestDatabase, t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-verify-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const blobs = await openFilesystemBlobStore(folder);
  const opened = await openTestRegistry(open, t, { sparse: "none" });
  const registry: TestRegistry = { ...opened, deps: { ...opened.deps, blobs } };
  const digest = await pushImage(registry, app, image, ["v1"]);
  await pushImage(registry, other, image, ["v1"]);
  // Files have the time of the disk, not of the test: this one is an hour ahead, so that everything is old.
  const clock = { nowMs: () => systemClock.nowMs() + 3_600_000 };
  const deps: VerifyDeps = { ...registry, clock, blobs, sparse: "none", strayGraceMs: 1_000 };
  const run = async (more: Partial<VerifyOptions & { resume: boolean }> = {}) => {
    const problems: Problem[] = [];
    const report = await verifyEverything(deps, {
      repair: false,
      hash: true,
      parallel: 3,
      bytesPerSecond: undefined,
      onUnseen: () => undefined,
      resume: false,
      signal: new AbortController().signal,
      onProblem: (problem) => void problems.push(problem),
      onProgress: () => undefined,
      ...more,
    });
    return { report, problems, shown: problems.map(({ kind, outcome }): Shown => ({ kind, outcome })) };
  };
  const { location } = await registry.database.read
    .selectFrom("blobs")
    .select("location")
    .where("digest", "=", digestOf("layer one"))
    .executeTakeFirstOrThrow();
  return { registry, blobs, digest, run, file: join(folder, "blobs", location) };
}

eachDatabase((open) => {
  test("finds nothing where nothing is wrong, and counts what it looked at", async (t) => {
    const { run } = await start(open, t);
    const { report, problems } = await run({ repair: true });
    assert.deepEqual(problems, []);
    assert.deepEqual([report.manifests, report.blobs, report.objects], [2, 3, 3]);
  });

  const damages: readonly (readonly [string, Problem["kind"], (file: string) => Promise<void>])[] = [
    [
      "a byte is flipped",
      "blob-damaged",
      async (file) => {
        const bytes = await readFile(file);
        await writeFile(file, bytes.fill("X", 0, 1));
      },
    ],
    ["it is cut short", "blob-damaged", (file) => truncate(file, 4)],
    ["it is gone", "blob-missing", (file) => rm(file)],
  ];
  for (const [name, kind, damage] of damages) {
    test(`a blob of which ${name} is named with its users, kept from being served, and healed by the next push`, async (t) => {
      const { registry, run, file } = await start(open, t);
      await damage(file);
      const told = await run();
      assert.deepEqual(told.shown, [{ kind, outcome: "found" }]);
      assert.equal(told.problems[0]?.subject, digestOf("layer one"));
      assert.deepEqual([...(told.problems[0]?.affects ?? [])].sort(), ["acme/app:v1", "acme/other:v1"]);
      assert.equal(told.report.unrepaired, 1);
      assert.deepEqual((await run({ repair: true })).shown, [{ kind, outcome: "quarantined" }]);
      const fresh = { ...registry.instance("instance-2"), blobs: registry.deps.blobs };
      await assert.rejects(readBlob(fresh, app, digestOf("layer one")), { code: "BLOB_UNKNOWN" });
      // A push into one repository heals all that link it.
      await pushImage(registry, app, image, ["v1"]);
      assert.equal(await readBlob(fresh, other, digestOf("layer one")), "layer one");
      const after = await run();
      const left = kind === "blob-missing" ? [] : [{ kind: "stray-object", outcome: "found" }];
      assert.deepEqual(after.shown, left, "the damaged bytes are known to nobody any more");
      await run({ repair: true });
      assert.deepEqual((await run()).problems, []);
    });
  }

  test("a quick look finds what is gone or cut short, not a flipped byte", async (t) => {
    const { run, file } = await start(open, t);
    await writeFile(file, "Xayer one");
    assert.deepEqual((await run({ hash: false })).problems, []);
    await truncate(file, 3);
    assert.deepEqual((await run({ hash: false })).shown, [{ kind: "blob-damaged", outcome: "found" }]);
  });

  test("bytes that are sound after all come out of quarantine", async (t) => {
    const { run, file } = await start(open, t);
    await writeFile(file, "Xayer one");
    await run({ repair: true });
    await writeFile(file, "layer one");
    assert.deepEqual((await run({ repair: true })).problems, []);
    await writeFile(file, "Xayer one");
    assert.deepEqual((await run()).shown, [{ kind: "blob-damaged", outcome: "found" }]);
  });

  test("rows of references that are missing or surplus are put right from the manifests", async (t) => {
    const { registry, run } = await start(open, t);
    await registry.database.transaction(async (tx) => {
      const { id, repository_id } = await tx
        .selectFrom("manifests")
        .select(["id", "repository_id"])
        .orderBy("id")
        .executeTakeFirstOrThrow();
      await tx
        .deleteFrom("manifest_references")
        .where("manifest_id", "=", id)
        .where("digest", "=", digestOf("layer one"))
        .execute();
      const surplus = { manifest_id: id, repository_id, digest: digestOf("nothing"), kind: "blob" };
      await tx.insertInto("manifest_references").values(surplus).execute();
    });
    const { shown } = await run({ repair: true });
    assert.deepEqual(shown.map(({ kind, outcome }) => `${kind} ${outcome}`).sort(), [
      "reference-row-missing repaired",
      "reference-row-surplus repaired",
    ]);
    assert.deepEqual((await run()).problems, []);
  });

  test("a link that is gone is made again; content that nobody has is named with its manifest", async (t) => {
    const { registry, run, digest } = await start(open, t);
    const unlink = (digests: readonly string[]) =>
      registry.database.transaction((tx) =>
        tx
          .deleteFrom("repository_blobs")
          .where("digest", "in", [...digests])
          .where("repository_id", "=", (eb) =>
            eb.selectFrom("repositories").select("id").where("name", "=", "acme/app"),
          )
          .execute(),
      );
    await unlink([digestOf("layer one")]);
    assert.deepEqual((await run({ repair: true })).shown, [{ kind: "content-missing", outcome: "repaired" }]);
    assert.deepEqual((await run()).problems, []);
    await registry.database.transaction(async (tx) => {
      await tx.deleteFrom("repository_blobs").where("digest", "=", digestOf("layer one")).execute();
      await tx.deleteFrom("blobs").where("digest", "=", digestOf("layer one")).execute();
    });
    const { problems } = await run({ repair: true });
    const missing = problems.filter(({ kind }) => kind === "content-missing");
    const told = missing.map(({ subject, affects, outcome }) => `${subject} ${affects[0]} ${outcome}`).sort();
    assert.deepEqual(told, [
      `acme/app@${digest} acme/app:v1 found`,
      `acme/other@${digest} acme/other:v1 found`,
    ]);
    assert.deepEqual(
      problems.filter(({ kind }) => kind !== "content-missing").map(({ kind }) => kind),
      ["stray-object"],
    );
  });

  test("a damaged manifest is taken from another repository, or named and healed by a push", async (t) => {
    const { registry, run, digest } = await start(open, t);
    const spoil = () =>
      registry.database.transaction((tx) =>
        tx
          .updateTable("manifests")
          .set({ body: Buffer.from("{}") })
          .where("digest", "=", digest)
          .where("repository_id", "=", (eb) =>
            eb.selectFrom("repositories").select("id").where("name", "=", "acme/app"),
          )
          .execute(),
      );
    await spoil();
    assert.deepEqual((await run({ repair: true })).shown, [
      { kind: "manifest-damaged", outcome: "repaired" },
    ]);
    assert.deepEqual((await run()).problems, []);
    await registry.database.transaction((tx) =>
      tx
        .updateTable("manifests")
        .set({ body: Buffer.from("{}") })
        .execute(),
    );
    const { shown, problems } = await run({ repair: true });
    assert.deepEqual(shown[0], { kind: "manifest-damaged", outcome: "found" });
    assert.deepEqual(problems[0]?.affects, ["acme/app:v1"]);
    for (const name of [app, other]) await put(registry, name, imageBytes(image), ["v1"]);
    assert.deepEqual((await run()).problems, []);
  });

  test("objects that nobody knows go once they are old", async (t) => {
    const { blobs, run } = await start(open, t);
    const id = newUuid() as UploadId; // as: a UUID has the form of an upload id
    const writer = await blobs.openUpload(id, 0);
    await writer.append([Buffer.from("stray")]);
    await writer.sync();
    await writer.close();
    assert.deepEqual((await run({ repair: true })).shown, [{ kind: "stray-object", outcome: "repaired" }]);
    assert.deepEqual((await run()).problems, []);
  });

  test("a run that ends in the middle is gone on with after the blobs that it looked at, a whole page of them", async (t) => {
    const { registry, run } = await start(open, t);
    const layers = Array.from({ length: 220 }, (_, index) => `many ${index}`);
    await pushImage(registry, app, { layers }, ["many"]);
    const stop = new AbortController();
    let looked = 0;
    const stopsAfterOnePage = {
      signal: stop.signal,
      onProgress: ({ phase, blobs }: { readonly phase: string; readonly blobs: number }) => {
        if (phase !== "blobs") return;
        looked = blobs;
        if (blobs >= 200) stop.abort(new Error("the machine is gone"));
      },
    };
    await assert.rejects(run(stopsAfterOnePage), /the machine is gone/);
    assert.equal(looked, 200);
    const all = 3 + layers.length;
    const rest = await run({ resume: true });
    assert.equal(rest.report.blobs, all - 200);
    assert.deepEqual(rest.problems, []);
    assert.equal((await run({ resume: true })).report.blobs, all, "a run that came to its end begins anew");
  });

  test("a run that is interrupted stops, and the next goes on where it was", async (t) => {
    const { run } = await start(open, t);
    const stop = new AbortController();
    stop.abort(new Error("interrupted"));
    await assert.rejects(run({ signal: stop.signal }), /interrupted/);
    const { report } = await run({ resume: true, bytesPerSecond: 1_000_000 });
    assert.equal(report.blobs, 3);
  });
});
