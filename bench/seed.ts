import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchServer } from "./servers/bench-server.ts";

export const repository = "bench/data";
export const tag = "latest";
export const tagCount = 100_000;
export const repositoryCount = 10_000;
export const scope = `repository:${repository}:pull,push`;
export const catalogScope = "registry:catalog:*";

const emptyIndex = Buffer.from(
  JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [] }),
);
const indexType = "application/vnd.oci.image.index.v1+json";

export interface SeededBlob {
  readonly label: string;
  readonly sizeBytes: number;
  readonly digest: string;
  readonly bytes: Buffer;
}

export function makeBlobs(sizes: readonly (readonly [string, number])[]): readonly SeededBlob[] {
  return sizes.map(([label, sizeBytes]) => {
    // Random where it is cheap; large ones repeat a random megabyte.
    const part = randomBytes(Math.min(sizeBytes, 1_048_576));
    const bytes = Buffer.alloc(sizeBytes, part);
    return { label, sizeBytes, bytes, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
  });
}

/** Gives a server the blobs and one manifest over the smallest of them; tells the manifest's digest. */
export async function seedContent(server: BenchServer, blobs: readonly SeededBlob[]): Promise<string> {
  if (!server.isRegistry) {
    for (const blob of blobs) writeFileSync(join(server.dataDir, hexOf(blob.digest)), blob.bytes);
    return "";
  }
  const headers = await server.headers(scope);
  for (const blob of blobs) await pushBlob(server, headers, blob);
  const [first, second = first] = blobs;
  if (first === undefined || second === undefined) throw new Error("no blobs");
  const descriptor = (blob: SeededBlob, mediaType: string) => ({
    mediaType,
    digest: blob.digest,
    size: blob.sizeBytes,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.docker.distribution.manifest.v2+json",
      config: descriptor(first, "application/vnd.docker.container.image.v1+json"),
      layers: [descriptor(second, "application/vnd.docker.image.rootfs.diff.tar.gzip")],
      // As large as a real one.
      annotations: { note: "x".repeat(1_000) },
    }),
  );
  const type = "application/vnd.docker.distribution.manifest.v2+json";
  await put(server, `/v2/${repository}/manifests/${tag}`, manifest, { ...headers, "content-type": type });
  return `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
}

/** One repository with 100,000 tags, and 10,000 repositories. */
export async function seedListings(server: BenchServer): Promise<void> {
  const names = Array.from(
    { length: repositoryCount },
    (_, index) => `many/r${String(index).padStart(6, "0")}`,
  );
  const tags = Array.from({ length: tagCount }, (_, index) => `t${String(index).padStart(7, "0")}`);
  if (server.name.includes("docker-registry")) seedDockerRegistry(server.dataDir, names, tags);
  else await seedByApi(server, names, tags);
}

async function seedByApi(
  server: BenchServer,
  names: readonly string[],
  tags: readonly string[],
): Promise<void> {
  const digest = `sha256:${createHash("sha256").update(emptyIndex).digest("hex")}`;
  const type = { "content-type": indexType };
  const tagged = { ...(await server.headers("repository:bench/tags:pull,push")), ...type };
  for (let start = 0; start < tags.length; start += 100) {
    const query = tags.slice(start, start + 100).map((name) => `tag=${name}`);
    await put(server, `/v2/bench/tags/manifests/${digest}?${query.join("&")}`, emptyIndex, tagged);
  }
  let next = 0;
  const scopeFor = async (part: readonly string[]) =>
    server.headers(part.map((name) => `repository:${name}:pull,push`).join(" "));
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let start = (next += 20) - 20; start < names.length; start = (next += 20) - 20) {
        const part = names.slice(start, start + 20);
        const headers = { ...(await scopeFor(part)), ...type };
        for (const name of part) await put(server, `/v2/${name}/manifests/latest`, emptyIndex, headers);
      }
    }),
  );
}

/** Straight into its storage layout: its API takes half an hour for this. */
function seedDockerRegistry(root: string, names: readonly string[], tags: readonly string[]): void {
  const hex = createHash("sha256").update(emptyIndex).digest("hex");
  const base = join(root, "docker/registry/v2");
  const manifests = join(base, "repositories/bench/tags/_manifests");
  mkdirSync(join(manifests, "revisions/sha256", hex), { recursive: true });
  mkdirSync(join(base, "repositories/bench/tags/_layers"), { recursive: true });
  mkdirSync(join(base, "blobs/sha256", hex.slice(0, 2), hex), { recursive: true });
  writeFileSync(join(base, "blobs/sha256", hex.slice(0, 2), hex, "data"), emptyIndex);
  writeFileSync(join(manifests, "revisions/sha256", hex, "link"), `sha256:${hex}`);
  for (const name of tags) {
    mkdirSync(join(manifests, "tags", name, "current"), { recursive: true });
    writeFileSync(join(manifests, "tags", name, "current/link"), `sha256:${hex}`);
  }
  for (const name of names) {
    mkdirSync(join(base, "repositories", name, "_layers"), { recursive: true });
    mkdirSync(join(base, "repositories", name, "_manifests"), { recursive: true });
  }
}

async function pushBlob(
  server: BenchServer,
  headers: Readonly<Record<string, string>>,
  blob: SeededBlob,
): Promise<void> {
  const origin = `http://127.0.0.1:${server.port}`;
  const begun = await fetch(`${origin}/v2/${repository}/blobs/uploads/`, { method: "POST", headers });
  const location = new URL(begun.headers.get("location") ?? "", origin);
  location.searchParams.set("digest", blob.digest);
  const octets = { ...headers, "content-type": "application/octet-stream" };
  const closed = await fetch(location, {
    method: "PUT",
    headers: octets,
    body: new Blob([new Uint8Array(blob.bytes)]),
  });
  if (closed.status !== 201)
    throw new Error(`${server.name}: seeding ${blob.label} answered ${closed.status}`);
}

async function put(
  server: BenchServer,
  path: string,
  body: Buffer,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    method: "PUT",
    headers,
    body: new Uint8Array(body),
  });
  await response.arrayBuffer();
  if (response.status !== 201)
    throw new Error(`${server.name}: PUT ${path.slice(0, 80)} answered ${response.status}`);
}

/** Where a server has a blob. */
export function blobPath(server: BenchServer, digest: string): string {
  return server.isRegistry ? `/v2/${repository}/blobs/${digest}` : `/${hexOf(digest)}`;
}

function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}
