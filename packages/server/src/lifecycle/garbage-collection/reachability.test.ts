import assert from "node:assert/strict";
import { test } from "node:test";
import type { Digest } from "@entrepot/oci/digest";
import { parseReference } from "@entrepot/oci/reference";
import fc from "fast-check";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import { deleteBlob } from "../../registry/blobs/delete-blob.ts";
import { mountBlob } from "../../registry/blobs/mount-blob.ts";
import { deleteManifest } from "../../registry/manifests/delete-manifest.ts";
import { getManifest } from "../../registry/manifests/get-manifest.ts";
import { deleteTag } from "../../registry/tags/delete-tag.ts";
import { checkInvariants } from "../../registry/testing/check-invariants.ts";
import {
  digestOf,
  imageBytes,
  indexBytes,
  push,
  put,
  readBlob,
  repositoryName,
  storedObjects,
  tagName,
} from "../../registry/testing/content.ts";
import { emptyStores } from "../../registry/testing/empty-stores.ts";
import { graceMs, openTestRegistry, type TestRegistry } from "../../registry/testing/open-test-registry.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { collectGarbage } from "./collect-garbage.ts";

/*
 * Random work in two repositories against a model that knows nothing of candidates, only of what leads where: whatever can be reached from a tag, or
 * was pushed within the grace, is there. And once everything is deleted and time has passed, nothing is left.
 */

const repositories = ["acme/one", "acme/two"].map(repositoryName);
const texts = ["{}", "a", "b"];
const images = [
  { config: "{}", layers: ["a"] },
  { config: "{}", layers: ["a", "b"] },
  { config: "b", layers: [] },
].map((image) => ({
  body: imageBytes(image),
  blobs: [image.config, ...image.layers].map((text) => digestOf(text)),
}));
const digests = images.map(({ body }) => digestOf(body));
const signature = { body: imageBytes({ config: "a", subject: must(digests[0]) }), blobs: [digestOf("a")] };
const manifests: readonly Content[] = [
  ...images.map((image) => ({ ...image, children: [] })),
  { ...signature, children: [] },
  { body: indexBytes(digests.slice(0, 2)), blobs: [], children: digests.slice(0, 2) },
  { body: indexBytes(digests.slice(1)), blobs: [], children: digests.slice(1) },
];
const tags = ["v1", "v2"];

interface Content {
  readonly body: Buffer;
  readonly blobs: readonly Digest[];
  readonly children: readonly Digest[];
}

/** One repository as somebody would draw it. */
interface Drawing {
  readonly tags: Map<string, Digest>;
  readonly manifests: Set<Digest>;
  /** When each blob was last pushed or mounted. */
  readonly blobs: Map<Digest, number>;
}

const repository = fc.nat({ max: repositories.length - 1 });
const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ does: fc.constant("push blob"), repository, which: fc.nat({ max: 2 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      does: fc.constant("put"),
      repository,
      which: fc.nat({ max: manifests.length - 1 }),
      tag: fc.option(fc.constantFrom(...tags), { nil: undefined }),
      // As clients do; without, it is a put of what may be there.
      isWhole: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ does: fc.constant("untag"), repository, tag: fc.constantFrom(...tags) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant("delete"),
      repository,
      which: fc.nat({ max: manifests.length - 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant("delete blob"), repository, which: fc.nat({ max: 2 }) }),
  },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("mount"), repository, which: fc.nat({ max: 2 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constant("advance"), ms: fc.constantFrom(60_000, graceMs / 2, graceMs) }),
  },
  { weight: 5, arbitrary: fc.record({ does: fc.constant("collect"), untagged: fc.boolean() }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

eachDatabase((open) => {
  test("nothing that can be reached is ever collected, and everything else is in the end", async (t) => {
    const registry = await openTestRegistry(open, t);
    const property = fc.asyncProperty(
      fc.array(command, { minLength: 5, maxLength: 30 }),
      async (commands) => {
        await emptyStores(registry);
        const model = repositories.map(
          (): Drawing => ({ tags: new Map(), manifests: new Set(), blobs: new Map() }),
        );
        for (const each of commands) {
          await run(registry, model, each);
          await checkInvariants(registry.database, registry.blobs);
          for (const [index, drawing] of model.entries()) await checkReachable(registry, index, drawing);
        }
        await deleteEverything(registry);
      },
    );
    await fc.assert(property, { numRuns: open.engine === "sqlite" ? 60 : 15 });
  });
});

async function run(registry: TestRegistry, model: readonly Drawing[], each: Command): Promise<void> {
  const { deps } = registry;
  if ("ms" in each) return registry.advance(each.ms);
  if ("untagged" in each) {
    await collect(registry, each.untagged ? graceMs : undefined);
    return;
  }
  const name = must(repositories[each.repository]);
  const drawing = must(model[each.repository]);
  if (!("which" in each)) {
    const deleting = deleteTag(deps, registry.call(), { repository: name, tag: tagName(each.tag) });
    assert.equal(await succeeds(deleting, "MANIFEST_UNKNOWN"), drawing.tags.delete(each.tag));
    return;
  }
  if ("tag" in each) {
    const content = must(manifests[each.which]);
    const wanted = texts.filter((text) => each.isWhole && content.blobs.includes(digestOf(text)));
    for (const text of wanted) await pushAndDraw(registry, name, drawing, text);
    return putAndDraw(registry, name, drawing, content, each.tag);
  }
  if (each.does === "delete") {
    const digest = digestOf(must(manifests[each.which]).body);
    await succeeds(deleteManifest(deps, byRegistry, { repository: name, digest }), "MANIFEST_UNKNOWN");
    drawing.manifests.delete(digest);
    for (const [tag, to] of drawing.tags) if (to === digest) drawing.tags.delete(tag);
    return;
  }
  const text = must(texts[each.which]);
  const digest = digestOf(text);
  if (each.does === "delete blob") {
    const deleting = deleteBlob(deps, byRegistry, { repository: name, digest });
    if (await succeeds(deleting, "BLOB_UNKNOWN", "IN_USE")) drawing.blobs.delete(digest);
    return;
  }
  if (each.does === "push blob") return pushAndDraw(registry, name, drawing, text);
  const mount = { repository: name, digest, from: undefined };
  if (await mountBlob(deps, registry.call(), mount)) drawing.blobs.set(digest, registry.clock.nowMs());
}

async function pushAndDraw(
  registry: TestRegistry,
  name: (typeof repositories)[number],
  drawing: Drawing,
  text: string,
): Promise<void> {
  await push(registry, name, text);
  drawing.blobs.set(digestOf(text), registry.clock.nowMs());
}

async function putAndDraw(
  registry: TestRegistry,
  name: (typeof repositories)[number],
  drawing: Drawing,
  content: Content,
  tag: string | undefined,
): Promise<void> {
  const putting = put(registry, name, content.body, tag === undefined ? [] : [tag]);
  if (!(await succeeds(putting, "MANIFEST_BLOB_UNKNOWN"))) return;
  const digest = digestOf(content.body);
  drawing.manifests.add(digest);
  if (tag !== undefined) drawing.tags.set(tag, digest);
}

/** From the tags down: manifests, what they name, what refers to them. An entry of an index may be absent from the start (sparse). */
async function checkReachable(registry: TestRegistry, index: number, drawing: Drawing): Promise<void> {
  const name = must(repositories[index]);
  const deps = registry.instance("reader");
  const reached = new Set<Digest>();
  const reach = (digest: Digest): void => {
    if (reached.has(digest) || !drawing.manifests.has(digest)) return;
    reached.add(digest);
    for (const child of manifests.find(({ body }) => digestOf(body) === digest)?.children ?? []) reach(child);
    if (digest === digests[0]) reach(digestOf(signature.body));
  };
  for (const [tag, digest] of drawing.tags) {
    assert.equal((await getManifest(deps, name, parseReference(tag))).digest, digest);
    reach(digest);
  }
  for (const digest of reached) {
    await getManifest(deps, name, parseReference(digest));
    const content = must(manifests.find(({ body }) => digestOf(body) === digest));
    for (const blob of content.blobs) await readBlob(deps, name, blob);
  }
  for (const [digest, pushedAtMs] of drawing.blobs) {
    if (registry.clock.nowMs() - pushedAtMs < graceMs) await readBlob(deps, name, digest);
  }
  // What nothing holds may have been collected by now, and does not come back by itself.
  for (const digest of drawing.manifests) {
    if (!(await succeeds(getManifest(deps, name, parseReference(digest)), "MANIFEST_UNKNOWN"))) {
      drawing.manifests.delete(digest);
    }
  }
}

async function deleteEverything(registry: TestRegistry): Promise<void> {
  for (const repositoryOf of repositories) {
    for (const { body } of manifests) {
      const target = { repository: repositoryOf, digest: digestOf(body), actor: "ada" };
      await succeeds(deleteManifest(registry.deps, byRegistry, target), "MANIFEST_UNKNOWN");
    }
  }
  for (const ms of [graceMs, 60_000]) {
    registry.advance(ms);
    await collect(registry, undefined);
  }
  assert.deepEqual(await storedObjects(registry), []);
  const { read } = registry.database;
  for (const table of [
    "blobs",
    "repository_blobs",
    "blob_deletions",
    "manifests",
    "manifest_references",
  ] as const) {
    assert.deepEqual(await read.selectFrom(table).selectAll().execute(), [], table);
  }
}

async function collect(registry: TestRegistry, untaggedAfterMs: number | undefined): Promise<void> {
  const deps = { ...registry.deps, graceMs, untaggedAfterMs };
  const { manifests: removed, links } = await collectGarbage(deps, new AbortController().signal);
  if (removed + links === 0) return;
  registry.deps.manifestCache.clear();
  registry.deps.blobCache.links.clear();
}

/** Whether it succeeded; any error but those codes is passed on. */
async function succeeds(work: Promise<unknown>, ...codes: readonly string[]): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof AppError && codes.includes(error.code)) return false;
    throw error;
  }
}

function must<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}
