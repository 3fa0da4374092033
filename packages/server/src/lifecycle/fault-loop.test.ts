import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { test } from "node:test";
import { type Digest, digestAlgorithm, digestHex, makeDigest, parseDigest } from "@entrepot/oci/digest";
import { mediaTypes } from "@entrepot/oci/media-types";
import { parseReference } from "@entrepot/oci/reference";
import { parseRepositoryName } from "@entrepot/oci/repository-name";
import type { UserActor } from "../access/actor.ts";
import { createAccess } from "../access/create-access.ts";
import { createVersionedCache } from "../access/versioned-cache.ts";
import { byRegistry } from "../activity/audit/record-audit.ts";
import type { Call } from "../http/endpoint.ts";
import { silentLog } from "../lib/log.ts";
import { createBlobCache } from "../registry/blobs/blob-cache.ts";
import { mountBlob } from "../registry/blobs/mount-blob.ts";
import { getLinkedBlob, openLinkedBlob } from "../registry/blobs/open-linked-blob.ts";
import { deleteManifest } from "../registry/manifests/delete-manifest.ts";
import { getManifest } from "../registry/manifests/get-manifest.ts";
import { createManifestCache } from "../registry/manifests/manifest-cache.ts";
import { putManifest } from "../registry/manifests/put-manifest.ts";
import type { RegistryDeps } from "../registry/registry-deps.ts";
import { appendToUpload } from "../registry/uploads/append-to-upload.ts";
import { beginUpload } from "../registry/uploads/begin-upload.ts";
import { completeUpload } from "../registry/uploads/complete-upload.ts";
import { pushBlob } from "../registry/uploads/push-blob.ts";
import { createUploadSessions } from "../registry/uploads/upload-sessions.ts";
import type { BlobLocation, BlobStore, UploadId } from "../storage/blob-store/blob-store.ts";
import { createMemoryBlobStore } from "../storage/blob-store/memory/memory-blob-store.ts";
import { withFaults } from "../storage/blob-store/with-faults.ts";
import type { Database } from "../storage/database/database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { collectGarbage } from "./garbage-collection/collect-garbage.ts";

const graceMs = 1_000;
const one = parseRepositoryName("acme/one");
const two = parseRepositoryName("acme/two");
const config = contentOf("config");
const layer = contentOf("layer ".repeat(1_000));
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    config: { mediaType: mediaTypes.emptyConfig, digest: config.digest, size: config.bytes.byteLength },
    layers: [{ mediaType: mediaTypes.layerTar, digest: layer.digest, size: layer.bytes.byteLength }],
  }),
);
const manifestDigest = digestOf(manifest);
const actor: UserActor = {
  kind: "user",
  account: "person",
  userId: 1,
  username: "admin",
  isAdmin: true,
  isAuditor: false,
  credential: "password",
  accessTokenId: undefined,
  limits: undefined,
  credentialScopes: undefined,
};

interface World {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly clock: { nowMs(): number };
  advance(ms: number): void;
}

/** A fresh process over the same stores: nothing is remembered from before. */
function processOver(world: World): RegistryDeps {
  const cache = createVersionedCache(world.database, world.clock, { maxEntries: 100 });
  const stamp = () => world.database.foreignChangeStamp();
  return {
    database: world.database,
    blobs: world.blobs,
    access: createAccess({
      database: world.database,
      cache,
      clock: world.clock,
      anonymousAccess: "none",
      defaultNamespace: "library",
    }),
    clock: world.clock,
    claimClock: world.clock,
    log: silentLog,
    newUploadId: () => randomUUID() as UploadId, // as: a UUID has the form of an upload id
    instanceId: randomUUID(),
    manifestCache: createManifestCache(1_000_000, { digests: stamp, tags: stamp }),
    blobCache: createBlobCache(1_000_000, stamp),
    sessions: createUploadSessions(),
    defaultNamespace: "library",
    defaultVisibility: "private",
    sparse: "none",
    isOpen: false,
    gcGraceMs: graceMs,
    redirect: undefined,
  };
}

function newCall(): Call {
  return {
    requestId: randomUUID(),
    actor,
    client: undefined,
    log: silentLog,
    signal: new AbortController().signal,
  };
}

/** Pushes in three ways, mounts, puts and deletes a manifest, collects: every kind of write that there is. Tells each step once it is acknowledged. */
async function scenario(
  world: World,
  done: (step: "config" | "layer" | "mounted" | "manifest" | "deleted") => void,
) {
  const deps = processOver(world);
  const call = newCall();
  const id = await beginUpload(deps, call, { repository: one, algorithm: "sha256" });
  const half = config.bytes.byteLength / 2;
  await appendToUpload(deps, call, { repository: one, id }, chunk(config.bytes.subarray(0, half)));
  await completeUpload(
    deps,
    call,
    { repository: one, id, digest: config.digest },
    chunk(config.bytes.subarray(half)),
  );
  done("config");
  await pushBlob(deps, call, { repository: one, digest: layer.digest }, chunk(layer.bytes));
  done("layer");
  assert.ok(await mountBlob(deps, call, { repository: two, digest: layer.digest, from: one }));
  done("mounted");
  const push = { repository: one, tags: [], contentType: mediaTypes.imageManifest, body: manifest };
  await putManifest(deps, call, { ...push, reference: parseReference("v1") });
  done("manifest");
  await deleteManifest(deps, byRegistry, { repository: one, digest: manifestDigest });
  done("deleted");
  world.advance(2 * graceMs);
  await collect(world);
}

function collect(world: World) {
  const gc = { ...world, log: silentLog, graceMs, untaggedAfterMs: undefined };
  return collectGarbage(gc, new AbortController().signal);
}

eachDatabase((open) => {
  test("a failure of any one SQL statement loses nothing that was acknowledged and breaks nothing", async (t) => {
    const total = await run(0);
    assert.ok(total > 60, `the scenario sends ${total} statements`);
    for (let failing = 1; failing <= total; failing++) await run(failing);

    async function run(failing: number): Promise<number> {
      let statements = 0;
      let isArmed = false;
      const database = await open(t, {
        onQuery: () => {
          if (!isArmed) return;
          statements += 1;
          if (statements === failing) throw new Error(`statement ${failing} failed`);
        },
      });
      const world = newWorld(database, createMemoryBlobStore({ nowMs: () => 0 }));
      await attempt(world, world, () => {
        isArmed = true;
      });
      isArmed = false;
      await verify(world, world);
      await database.close();
      return statements;
    }
  });

  for (const when of ["before", "after"] as const) {
    test(`a failure of any one storage call, ${when} its effect, loses nothing and breaks nothing`, async (t) => {
      const total = await run(0);
      assert.ok(total > 8, `the scenario makes ${total} storage calls`);
      for (let failing = 1; failing <= total; failing++) await run(failing);

      async function run(failing: number): Promise<number> {
        let calls = 0;
        const database = await open(t);
        const inner = createMemoryBlobStore({ nowMs: () => 0 });
        const faulty = withFaults(inner, {
          decide(call, _operation, moment) {
            calls = Math.max(calls, call);
            if (call === failing && moment === when) throw new Error(`storage call ${failing} failed`);
          },
        });
        const world = newWorld(database, inner);
        await attempt({ ...world, blobs: faulty }, world, () => {});
        await verify(world, world);
        await database.close();
        return calls;
      }
    });
  }
});

function newWorld(database: Database, blobs: BlobStore): World {
  let nowMs = 1_000_000;
  return {
    database,
    blobs,
    clock: { nowMs: () => nowMs },
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

/** Runs the scenario with its fault; what was acknowledged before the fault must be there afterwards. */
async function attempt(faulty: World, sound: World, arm: () => void): Promise<void> {
  const done = new Set<string>();
  arm();
  try {
    await scenario(faulty, (step) => void done.add(step));
  } catch (error) {
    assert.match(String(error), /failed/, "only the planned failure happened");
  }
  if (done.has("deleted")) return;
  const deps = processOver(sound);
  if (done.has("config")) await assertBlob(deps, config);
  if (done.has("layer")) await assertBlob(deps, layer);
  if (done.has("manifest")) {
    const found = await getManifest(deps, one, parseReference("v1")).catch(() => undefined);
    // The delete that followed may have been carried out although its answer was lost; then the whole manifest is gone.
    if (found !== undefined) assert.deepEqual(Buffer.from(found.body), manifest);
  }
}

/** The stores agree with each other; the scenario can be run again; and in the end everything can be collected. */
async function verify(world: World, sound: World): Promise<void> {
  await assertConsistent(sound);
  const steps: string[] = [];
  await scenario(world, (step) => void steps.push(step));
  assert.equal(steps.length, 5, "the same work succeeds afterwards");
  await assertConsistent(sound);
}

async function assertConsistent({ database, blobs }: World): Promise<void> {
  const db = database.read;
  const rows = await db
    .selectFrom("blobs")
    .select(["id", "digest", "location", "size_bytes", "unreferenced_since_ms"])
    .execute();
  const links = await db.selectFrom("repository_blobs").selectAll().execute();
  const references = await db.selectFrom("manifest_references").select(["repository_id", "digest"]).execute();
  for (const row of rows) {
    const reader = await blobs.openBlob(row.location as BlobLocation); // as: read from its table
    const bytes = Buffer.alloc(reader.sizeBytes);
    await reader.read(bytes, 0);
    await reader.close();
    const digest = parseDigest(row.digest);
    assert.equal(
      createHash(digestAlgorithm(digest)).update(bytes).digest("hex"),
      digestHex(digest),
      "a row's bytes are right",
    );
    const isLinked = links.some((link) => link.blob_id === row.id);
    if (!isLinked) assert.notEqual(row.unreferenced_since_ms, null, "a blob without links is a candidate");
  }
  for (const link of links) {
    const isNamed = references.some(
      (each) => each.repository_id === link.repository_id && each.digest === link.digest,
    );
    assert.equal(link.unreferenced_since_ms === null, isNamed, "a link's candidacy is true");
  }
  const doomed = await db.selectFrom("blob_deletions").select("location").execute();
  const uploads = await db.selectFrom("uploads").select(["id", "committing_digest"]).execute();
  for await (const stored of blobs.list()) {
    const isKnown =
      stored.kind === "upload"
        ? uploads.some((upload) => upload.id === stored.name)
        : [...rows, ...doomed].some((row) => row.location === stored.name) ||
          uploads.some(
            (upload) => upload.committing_digest !== null && stored.name.endsWith(`.${upload.id}`),
          );
    assert.ok(isKnown, `${stored.kind} ${stored.name} is known to SQL`);
  }
}

async function assertBlob(
  deps: RegistryDeps,
  content: { readonly digest: Digest; readonly bytes: Buffer },
): Promise<void> {
  const blob = await getLinkedBlob(deps, one, content.digest);
  const reader = await openLinkedBlob(deps, blob);
  const bytes = Buffer.alloc(reader.sizeBytes);
  await reader.read(bytes, 0);
  await reader.close();
  assert.deepEqual(bytes, content.bytes);
}

function chunk(bytes: Buffer) {
  return { body: Readable.from([bytes]), range: undefined };
}

function contentOf(text: string) {
  const bytes = Buffer.from(text);
  return { bytes, digest: digestOf(bytes) };
}

function digestOf(bytes: Uint8Array): Digest {
  return makeDigest("sha256", createHash("sha256").update(bytes).digest("hex"));
}
