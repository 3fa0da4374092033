import type { Job } from "./load/job.ts";
import {
  blobPath,
  catalogScope,
  repository,
  repositoryCount,
  type SeededBlob,
  scope,
  tag,
  tagCount,
} from "./seed.ts";
import type { BenchServer } from "./servers/bench-server.ts";

/** What ratios a row should reach; `peer` = docker-registry, `limit` = nginx. */
export interface Goal {
  readonly variant: "pooled" | "sendfile" | "any";
  readonly peer: number;
  readonly limit?: number;
}

export interface Workload {
  readonly name: string;
  /** What is compared: bytes or requests a second. */
  readonly unit: "MB/s" | "req/s";
  readonly needs: "files" | "registry" | "listings";
  readonly goals: readonly Goal[];
  job(server: BenchServer): Promise<Job>;
}

export interface Seeds {
  readonly blobs: readonly SeededBlob[];
  readonly manifestDigests: ReadonlyMap<string, string>;
}

const manifestTypes =
  "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json";

/** Of requests that take it some milliseconds, so that a sample takes every server some seconds. */
function fewerForPeer(server: BenchServer, requests: number): number {
  return server.name.includes("docker-registry") && requests >= 1_000 ? requests / 8 : requests;
}

export function workloads(seeds: Seeds, quick: boolean): readonly Workload[] {
  const share = quick ? 0.4 : 1;
  const blob = (label: string) => {
    const found = seeds.blobs.find((seeded) => seeded.label === label);
    if (found === undefined) throw new Error(`no blob of ${label}`);
    return found;
  };
  const large: readonly Goal[] = [
    { variant: "pooled", peer: 1.1, limit: 0.7 },
    { variant: "sendfile", peer: 1.3, limit: 0.9 },
  ];
  const get = (label: string, connections: number, requests: number, goals: readonly Goal[]): Workload => ({
    name: `GET ${label}, c=${connections}`,
    unit: blob(label).sizeBytes < 100_000 ? "req/s" : "MB/s",
    needs: "files",
    goals,
    job: async (server) => ({
      ...(blob(label).sizeBytes < 100_000 ? { kind: "read", method: "GET" } : { kind: "discard" }),
      port: server.port,
      paths: [blobPath(server, blob(label).digest)],
      headers: await server.headers(scope),
      connections,
      requests: Math.max(connections, Math.round(fewerForPeer(server, requests) * share)),
    }),
  });
  const push = (
    label: string,
    sizeBytes: number,
    connections: number,
    requests: number,
    peer?: number,
  ): Workload => ({
    name: `push ${label}, c=${connections}`,
    unit: "MB/s",
    needs: "registry",
    goals: peer === undefined ? [] : [{ variant: "any", peer }],
    job: async (server) => ({
      kind: "push",
      flow: "patch",
      port: server.port,
      repository,
      headers: await server.headers(scope),
      connections,
      requests: Math.max(connections, Math.round(requests * share)),
      sizeBytes,
    }),
  });
  const read = (
    name: string,
    method: "GET" | "HEAD",
    byDigest: boolean,
    connections: number,
    requests: number,
  ): Workload => ({
    name,
    unit: "req/s",
    needs: "registry",
    goals: [{ variant: "any", peer: 10 }],
    job: async (server) => ({
      kind: "read",
      method,
      port: server.port,
      paths: [`/v2/${repository}/manifests/${byDigest ? seeds.manifestDigests.get(server.name) : tag}`],
      headers: { ...(await server.headers(scope)), accept: manifestTypes },
      connections,
      // Some two seconds each: in less, it is the warming up of the client that is measured.
      requests: Math.round(fewerForPeer(server, requests) * share),
    }),
  });
  const page = (name: string, path: string, asks: string): Workload => ({
    name,
    unit: "req/s",
    needs: "listings",
    goals: [{ variant: "any", peer: 50 }],
    job: async (server) => ({
      kind: "read",
      method: "GET",
      port: server.port,
      paths: [path],
      headers: await server.headers(asks),
      connections: 1,
      // The peer takes a tenth of a second for one.
      requests: server.name.includes("docker-registry") ? 10 : 400,
    }),
  });
  const middleTag = `t${String(tagCount / 2).padStart(7, "0")}`;
  const middleName = `many/r${String(repositoryCount / 2).padStart(6, "0")}`;
  return [
    get("1 KB", 16, 16_000, []),
    get("1 MB", 4, 3_000, large),
    get("100 MB", 1, 30, large),
    get("100 MB", 4, 32, large),
    get("1 GB", 1, 4, large),
    push("1 MB", 1_048_576, 1, 60),
    push("1 MB", 1_048_576, 4, 120),
    push("1 MB", 1_048_576, 16, 160),
    push("100 MB", 104_857_600, 1, 4, 1.5),
    push("100 MB", 104_857_600, 4, 8, 1.2),
    push("100 MB", 104_857_600, 16, 16, 1.2),
    read("GET manifest by tag, c=16", "GET", false, 16, 24_000),
    read("GET manifest by digest, c=16", "GET", true, 16, 24_000),
    read("HEAD manifest by tag, c=16", "HEAD", false, 16, 24_000),
    read("GET manifest by tag, c=64", "GET", false, 64, 24_000),
    page(
      "tags, 100 of 100,000",
      `/v2/bench/tags/tags/list?n=100&last=${middleTag}`,
      "repository:bench/tags:pull",
    ),
    page("catalog, 100 of 10,000", `/v2/_catalog?n=100&last=${middleName}`, catalogScope),
  ];
}
