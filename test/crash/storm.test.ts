import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import {
  type Content,
  digestOf,
  manifestOf,
  openSession,
  type RegistrySession,
  randomContent,
} from "../support/registry-session.ts";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";
import { openTestPostgres } from "../support/test-postgres.ts";

// The short form is for every run; `ENTREPOT_TEST_STORM_SECONDS=300` is the long one.
const stormSeconds = Number(process.env["ENTREPOT_TEST_STORM_SECONDS"] ?? 12);
const actors = 6;
const repositories = ["storm/one", "storm/two", "storm/three/four"];
// Shorter than a push needs under load would be wrong use; long enough for one, short enough that much is collected meanwhile.
const settings = { ENTREPOT_GC_GRACE_SECONDS: "2", ENTREPOT_GC_INTERVAL_SECONDS: "1" };

describe("a storm of pushes, mounts, deletes and garbage collection", () => {
  test("ends on SQLite with nothing dangling and nothing missing", (t) => storm(t, undefined));
  test("ends on PostgreSQL with nothing dangling and nothing missing", async (t) => {
    const postgres = await openTestPostgres();
    t.after(() => postgres.dispose());
    await storm(t, postgres.url);
  });
});

interface TestLike {
  after(work: () => Promise<unknown>): void;
  diagnostic(message: string): void;
}

async function storm(t: TestLike, databaseUrl: string | undefined): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "entrepot-storm-"));
  const removeData = () => rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
  const server: ServerProcess = await startServer({
    dataDir,
    port: await freePort(),
    settings: { ...settings, ...(databaseUrl === undefined ? {} : { ENTREPOT_DATABASE_URL: databaseUrl }) },
  });
  // In this order: what is added first is done first.
  t.after(() => server.stop("SIGKILL"));
  t.after(removeData);
  const session = openSession(server.origin, administrator);
  // Few contents, so that everybody pushes, mounts and deletes the same ones.
  const pool = Array.from({ length: 12 }, (_, index) => randomContent(1_000 + index * 5_000));
  const startedAt = performance.now();
  const counts = { pushes: 0, mounts: 0, deletes: 0 };
  // Longer on a machine that does much else, until it was a storm.
  const isOver = () => {
    const lastedMs = performance.now() - startedAt;
    return lastedMs > stormSeconds * 1_000 && (isStorm(counts) || lastedMs > (stormSeconds + 90) * 1_000);
  };
  await Promise.all(Array.from({ length: actors }, (_, actor) => act(session, pool, actor, isOver, counts)));
  t.diagnostic(`${counts.pushes} pushes, ${counts.mounts} mounts, ${counts.deletes} deletes`);
  assert.ok(isStorm(counts), "the storm was one");

  const pulled = await pullEverything(session);
  t.diagnostic(`${pulled} manifests pulled whole afterwards`);
  await wait(4_000);
  assert.equal(
    await pullEverything(session),
    pulled,
    "collection after the storm takes nothing that is reachable",
  );

  await deleteEverything(session);
  await eventually(async () => {
    const files = await blobFiles(dataDir);
    return files.length === 0 ? undefined : `${files.length} blob files are left, the first is ${files[0]}`;
  });
  const [health] = [await session.request("GET", "/health/endtoend")];
  assert.equal(health.status, 200);
  assert.doesNotMatch(server.output(), /"level":"error"/, "no error was logged");
}

function isStorm({ pushes, deletes }: { readonly pushes: number; readonly deletes: number }): boolean {
  return pushes > 20 && deletes > 5;
}

async function act(
  session: RegistrySession,
  pool: readonly Content[],
  actor: number,
  isOver: () => boolean,
  counts: { pushes: number; mounts: number; deletes: number },
): Promise<void> {
  for (let round = 0; !isOver(); round++) {
    const repository = pick(repositories);
    const chance = Math.random();
    if (chance < 0.55) {
      await pushImage(session, repository, pool, `a${actor}-${round % 4}`, counts);
    } else if (chance < 0.85) {
      const tags = await session.request("GET", `/v2/${repository}/tags/list`);
      const tag = tags.status === 200 ? pick(((await tags.json()) as { tags: string[] }).tags) : undefined;
      if (tag === undefined) continue;
      const head = await session.request("HEAD", `/v2/${repository}/manifests/${tag}`);
      const digest = head.headers.get("docker-content-digest");
      const target = Math.random() < 0.5 ? tag : (digest ?? tag);
      const response = await session.request("DELETE", `/v2/${repository}/manifests/${target}`);
      assert.ok([202, 404].includes(response.status), `delete answered ${response.status}`);
      counts.deletes += 1;
    } else {
      const blob = pick(pool);
      const response = await session.request("DELETE", `/v2/${repository}/blobs/${blob.digest}`);
      assert.ok([202, 404, 405].includes(response.status), `blob delete answered ${response.status}`);
    }
  }
}

/** As docker does: look, mount or push what is missing, then the manifest; once more when somebody deleted a blob in between. */
async function pushImage(
  session: RegistrySession,
  repository: string,
  pool: readonly Content[],
  tag: string,
  counts: { pushes: number; mounts: number },
): Promise<void> {
  const contents = [pick(pool), pick(pool), pick(pool)] as const;
  for (let attempt = 0; attempt < 20; attempt++) {
    for (const content of contents) {
      const head = await session.request("HEAD", `/v2/${repository}/blobs/${content.digest}`);
      if (head.status === 200) continue;
      assert.equal(head.status, 404);
      const from = pick(repositories);
      const mount = await session.request(
        "POST",
        `/v2/${repository}/blobs/uploads/?mount=${content.digest}&from=${from}`,
      );
      await mount.arrayBuffer();
      if (mount.status === 201) {
        counts.mounts += 1;
        continue;
      }
      assert.equal(mount.status, 202);
      const status = await session.pushBlob(repository, content, pick(["post", "put", "patch"] as const));
      assert.equal(status, 201, "a push of a blob is taken");
    }
    const manifest = manifestOf(contents[0], contents.slice(1), String(Math.random()));
    const status = await session.pushManifest(repository, tag, manifest);
    if (status === 201) {
      counts.pushes += 1;
      return;
    }
    // Another actor's DELETE of the blob came between: the registry says so instead of taking a broken image.
    assert.equal(status, 404, `a push of a manifest answered ${status}`);
  }
}

/** Every tag of every repository, with everything it names, hashed. */
async function pullEverything(session: RegistrySession): Promise<number> {
  let manifests = 0;
  for (const repository of repositories) {
    const list = await session.request("GET", `/v2/${repository}/tags/list`);
    if (list.status !== 200) continue;
    for (const tag of ((await list.json()) as { tags: string[] }).tags) {
      const response = await session.request("GET", `/v2/${repository}/manifests/${tag}`);
      assert.equal(response.status, 200, `${repository}:${tag} has its manifest`);
      const manifest = (await response.json()) as {
        config: { digest: string };
        layers: { digest: string }[];
      };
      for (const { digest } of [manifest.config, ...manifest.layers]) {
        const blob = await session.request("GET", `/v2/${repository}/blobs/${digest}`);
        assert.equal(blob.status, 200, `${repository}:${tag} has its blob ${digest}`);
        assert.equal(digestOf(new Uint8Array(await blob.arrayBuffer())), digest);
      }
      manifests += 1;
    }
  }
  return manifests;
}

/** Deletes the repositories, and with them manifests that lost their tags and are kept because digests may be pinned. */
async function deleteEverything(session: RegistrySession): Promise<void> {
  for (const repository of repositories) {
    const response = await session.request("DELETE", `/api/v1/repositories/${repository}`);
    assert.ok([204, 404].includes(response.status), `deleting ${repository} answered ${response.status}`);
  }
}

async function blobFiles(dataDir: string): Promise<readonly string[]> {
  const entries = await readdir(join(dataDir, "storage"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

async function eventually(problem: () => Promise<string | undefined>): Promise<void> {
  let last: string | undefined;
  for (let attempt = 0; attempt < 100; attempt++) {
    last = await problem();
    if (last === undefined) return;
    await wait(1_000);
  }
  assert.fail(last);
}

function pick<T>(from: readonly T[]): T {
  const item = from[Math.floor(Math.random() * from.length)];
  // Callers pass lists that are not empty, or handle undefined of an empty one.
  return item as T;
}
