import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import {
  type Content,
  contentOf,
  manifestOf,
  type RegistrySession,
  randomContent,
} from "../support/registry-session.ts";

const patienceMs = 400_000;

/** As the management API tells it. */
export interface RegionSeen {
  readonly name: string;
  readonly ok: boolean;
  readonly isRetiring: boolean;
  readonly blobs: number;
  readonly onlyHereBlobs: number;
  readonly uploads: number;
  readonly missing: {
    readonly blobs: number;
    readonly bytes: number;
    readonly oldestSinceMs: number | null;
  };
  readonly surplusBlobs: number;
  readonly owedDeletions: number;
}

export interface Pushed {
  readonly layers: readonly Content[];
  readonly manifest: Content;
  readonly tookMs: number;
}

/** Larger than what is served from memory. */
export async function pushImage(
  session: RegistrySession,
  repository: string,
  count: number,
  sizeBytes = 300_000,
): Promise<Pushed> {
  const startedAt = performance.now();
  const layers = Array.from({ length: count }, () => randomContent(sizeBytes));
  const config = contentOf(Buffer.from(JSON.stringify({ made: repository })));
  const manifest = manifestOf(config, layers);
  let status = 0;
  // What took longer than the collector's grace is gone again, and comes again.
  for (let attempt = 0; attempt < 5 && status !== 201; attempt++) {
    for (const blob of [config, ...layers])
      assert.equal(await session.pushBlob(repository, blob, "patch"), 201);
    status = await session.pushManifest(repository, "v1", manifest);
  }
  assert.equal(status, 201);
  return { layers, manifest, tookMs: since(startedAt) };
}

export async function assertReads(
  session: RegistrySession,
  repository: string,
  blob: Content | undefined,
): Promise<void> {
  assert.ok(blob !== undefined);
  const response = await session.request("GET", `/v2/${repository}/blobs/${blob.digest}`);
  assert.equal(response.status, 200);
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), Buffer.from(blob.bytes));
}

export async function json(session: RegistrySession, path: string): Promise<Record<string, unknown>> {
  const response = await session.request("GET", path);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text) as Record<string, unknown>; // as: the management API answers objects
}

export async function put(
  session: RegistrySession,
  path: string,
  value: unknown,
  method = "PUT",
): Promise<void> {
  const body = Buffer.from(JSON.stringify(value));
  const response = await session.request(method, path, {
    body,
    headers: { "content-type": "application/json" },
  });
  assert.ok(response.ok, `${path}: ${response.status} ${await response.text()}`);
}

export async function createOrganization(session: RegistrySession, name: string): Promise<void> {
  await put(session, "/api/v1/organizations", { name }, "POST");
}

export async function regionsOf(session: RegistrySession): Promise<readonly RegionSeen[]> {
  return (await json(session, "/api/v1/regions"))["regions"] as readonly RegionSeen[]; // as: the reply's shape
}

export async function regionOf(session: RegistrySession, name: string): Promise<RegionSeen> {
  const found = (await regionsOf(session)).find((region) => region.name === name);
  assert.ok(found !== undefined);
  return found;
}

export async function untilCopied(session: RegistrySession): Promise<void> {
  await until("everything is copied", async () =>
    (await regionsOf(session)).every(({ missing }) => missing.blobs === 0),
  );
}

export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + patienceMs; !(await isSo()); await wait(50)) {
    assert.ok(performance.now() < end, `not so after ${patienceMs} ms: ${what}`);
  }
}

export function since(startedAt: number): number {
  return Math.round(performance.now() - startedAt);
}
