import assert from "node:assert/strict";
import { test } from "node:test";
import { parseReference } from "@entrepot/oci/reference";
import { byRegistry } from "../activity/audit/record-audit.ts";
import { AppError } from "../lib/app-error.ts";
import { collectGarbage } from "../lifecycle/garbage-collection/collect-garbage.ts";
import type { UploadId } from "../storage/blob-store/blob-store.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { mountBlob } from "./blobs/mount-blob.ts";
import { deleteManifest } from "./manifests/delete-manifest.ts";
import { getManifest } from "./manifests/get-manifest.ts";
import type { RegistryDeps } from "./registry-deps.ts";
import { checkInvariants } from "./testing/check-invariants.ts";
import { bytesOf, chunkOf, digestOf, imageBytes, put, readBlob, repositoryName } from "./testing/content.ts";
import { emptyStores } from "./testing/empty-stores.ts";
import { InjectedFault, type Plan } from "./testing/faults.ts";
import { graceMs, openTestRegistry, type TestRegistry } from "./testing/open-test-registry.ts";
import { appendToUpload } from "./uploads/append-to-upload.ts";
import { beginUpload } from "./uploads/begin-upload.ts";
import { expireUploads } from "./uploads/cancel-upload.ts";
import { completeUpload } from "./uploads/complete-upload.ts";
import { getUpload } from "./uploads/get-upload.ts";
import { pushBlob } from "./uploads/push-blob.ts";

/*
 * A client's work from the first chunk to the collector's last pass, once for every SQL statement and every call of the blob store in it, which
 * fails. After each failure: what was acknowledged is there, the stores agree with each other, and the client can go on.
 */

const one = repositoryName("acme/one");
const two = repositoryName("acme/two");
const config = "hello world";
const layer = "a layer";
const kept = imageBytes({ config, layers: [layer] });
const deleted = imageBytes({ config });

const steps = ["chunks", "push", "push again", "mount", "put", "retag", "delete", "collect", "free"] as const;
type Step = (typeof steps)[number];

/** What a client knows of its own work: what it tried, what was acknowledged, and the upload that it can resume. */
interface Client {
  readonly tried: Set<Step>;
  readonly acknowledged: Set<Step>;
  uploadId: UploadId | undefined;
}

eachDatabase((open) => {
  const plans: readonly Omit<Plan, "at">[] = [
    { what: "sql" },
    { what: "before blob-store call" },
    { what: "after blob-store call" },
    // PostgreSQL and SQLite do not differ in what is tried after a failure; SQLite is faster.
    ...(open.engine === "sqlite" ? [{ what: "sql", andAllAfter: true } as const] : []),
  ];
  for (const plan of plans) {
    const which = plan.andAllAfter === true ? "and everything after it" : "alone";
    test(`nothing is lost and nothing is left when a call fails: ${plan.what}, ${which}`, async (t) => {
      const registry = await openTestRegistry(open, t);
      let at = 1;
      while (await failOnce(registry, { ...plan, at })) at += 1;
      assert.ok(at > (plan.what === "sql" ? 80 : 10), `only ${at} calls were made`);
    });
  }
});

/** False when the scenario ended before the fault struck. */
async function failOnce(registry: TestRegistry, plan: Plan): Promise<boolean> {
  const client: Client = { tried: new Set(), acknowledged: new Set(), uploadId: undefined };
  registry.faults.arm(plan);
  const failure = await work(registry, client).then(
    () => undefined,
    (error: unknown) => error,
  );
  const hasStruck = registry.faults.disarm();
  if (failure !== undefined && !(failure instanceof InjectedFault)) throw failure;
  try {
    await checkAcknowledged(registry, client);
    await checkInvariants(registry.database, registry.blobs);
    // The claim of the request that failed lapses, then the client goes on.
    registry.advance(31_000);
    await work(registry, { ...client, tried: new Set(), acknowledged: new Set() });
    await checkInvariants(registry.database, registry.blobs);
    await checkEnd(registry);
  } catch (error) {
    throw new Error(`after ${String(failure)}`, { cause: error });
  }
  await emptyStores(registry);
  return hasStruck;
}

async function work(registry: TestRegistry, client: Client): Promise<void> {
  // As after a restart: the process remembers nothing of uploads and content.
  const deps = registry.instance("instance-1");
  const instance = { ...registry, deps };
  const does: Readonly<Record<Step, () => Promise<unknown>>> = {
    chunks: () => uploadInChunks(deps, registry, client),
    push: () => pushLayer(deps, registry),
    "push again": () => pushLayer(deps, registry),
    mount: async () => {
      const mount = { repository: two, digest: digestOf(config), from: one };
      assert.ok(await mountBlob(deps, registry.call(), mount));
    },
    put: () => put(instance, one, kept, ["v1"]),
    retag: () => put(instance, one, deleted, ["v1"]),
    delete: () => deleteManifest(deps, byRegistry, { repository: one, digest: digestOf(deleted) }),
    collect: async () => {
      registry.advance(graceMs);
      await expireUploads(deps, { expiryMs: graceMs - 1, limit: 10 });
      await collect(deps);
    },
    free: async () => {
      registry.advance(60_000);
      await collect(deps);
    },
  };
  for (const step of steps) {
    client.tried.add(step);
    await does[step]();
    client.acknowledged.add(step);
  }
}

/** As clients do: asks how far the upload is, goes on there, and begins anew only when it is gone. */
async function uploadInChunks(deps: RegistryDeps, registry: TestRegistry, client: Client): Promise<void> {
  const call = registry.call();
  client.uploadId ??= await beginUpload(deps, call, { repository: one, algorithm: "sha256" });
  const target = { repository: one, id: client.uploadId };
  try {
    for (let offset = await offsetOf(deps, target); offset < 10; ) {
      const chunk = chunkOf(bytesOf(config).subarray(offset, Math.min(offset + 5, 10)), offset);
      offset = await appendToUpload(deps, call, target, chunk);
    }
    const rest = chunkOf(bytesOf(config).subarray(10), 10);
    await completeUpload(deps, call, { ...target, digest: digestOf(config) }, rest);
    client.uploadId = undefined;
  } catch (error) {
    if (!(error instanceof AppError && error.code === "BLOB_UPLOAD_UNKNOWN")) throw error;
    client.uploadId = undefined;
    await uploadInChunks(deps, registry, client);
  }
}

async function offsetOf(deps: RegistryDeps, target: Parameters<typeof getUpload>[1]): Promise<number> {
  return (await getUpload(deps, target)).offsetBytes;
}

function pushLayer(deps: RegistryDeps, registry: TestRegistry): Promise<void> {
  return pushBlob(
    deps,
    registry.call(),
    { repository: one, digest: digestOf(layer) },
    chunkOf(bytesOf(layer)),
  );
}

function collect(deps: RegistryDeps) {
  return collectGarbage({ ...deps, graceMs, untaggedAfterMs: undefined }, new AbortController().signal);
}

async function checkAcknowledged(registry: TestRegistry, { tried, acknowledged }: Client): Promise<void> {
  const deps = registry.instance("instance-1");
  const isKept = (step: Step) => acknowledged.has(step) && (acknowledged.has("put") || !tried.has("collect"));
  if (isKept("chunks")) assert.equal(await readBlob(deps, one, digestOf(config)), config);
  if (isKept("push")) assert.equal(await readBlob(deps, one, digestOf(layer)), layer);
  if (acknowledged.has("mount") && !tried.has("collect")) {
    assert.equal(await readBlob(deps, two, digestOf(config)), config);
  }
  if (acknowledged.has("put")) assert.deepEqual(await manifest(deps, digestOf(kept)), kept);
  if (acknowledged.has("retag") && !tried.has("delete")) {
    assert.deepEqual(await manifest(deps, digestOf(deleted)), deleted);
  }
  if (!acknowledged.has("put")) return;
  const tagged = await manifest(deps, "v1");
  const possible = [
    ...(acknowledged.has("retag") ? [] : [kept]),
    ...(tried.has("retag") && !acknowledged.has("delete") ? [deleted] : []),
    ...(tried.has("delete") ? [undefined] : []),
  ];
  assert.ok(
    possible.some((bytes) => (bytes === undefined ? tagged === undefined : tagged?.equals(bytes))),
    "the tag leads where it was last said to",
  );
}

/** Only what the kept manifest holds is there: nothing of the failures was left. */
async function checkEnd(registry: TestRegistry): Promise<void> {
  const deps = registry.instance("instance-1");
  assert.deepEqual(await manifest(deps, digestOf(kept)), kept);
  assert.equal(await manifest(deps, "v1"), undefined);
  assert.equal(await readBlob(deps, one, digestOf(config)), config);
  assert.equal(await readBlob(deps, one, digestOf(layer)), layer);
  await assert.rejects(readBlob(deps, two, digestOf(config)), { code: "BLOB_UNKNOWN" });
  const objects: string[] = [];
  for await (const { name } of registry.blobs.list()) objects.push(name);
  const { read } = registry.database;
  const blobs = await read.selectFrom("blobs").select("location").execute();
  assert.deepEqual(objects.sort(), blobs.map(({ location }) => location).sort());
  assert.equal(blobs.length, 2);
}

async function manifest(deps: RegistryDeps, reference: string): Promise<Buffer | undefined> {
  const found = await getManifest(deps, one, parseReference(reference)).catch((error: unknown) => {
    if (error instanceof AppError && error.code === "MANIFEST_UNKNOWN") return undefined;
    throw error;
  });
  return found && Buffer.from(found.body);
}
