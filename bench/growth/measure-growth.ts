import { createHash, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { median } from "../report.ts";
import type { BenchServer } from "../servers/bench-server.ts";
import { startEntrepot } from "../servers/entrepot.ts";
import { growthRepository, growthTag, seedManifests } from "./seed-manifests.ts";

const small = 1_000;
const large = 1_000_000;
const goal = 1.2;

interface Costs {
  readonly push: number;
  readonly tag: number;
  readonly pull: number;
}

/** Cost of a push, a tag and a pull with a thousand and with a million manifests in the database, alternating; as a section of the report. */
export async function measureGrowth(folder: string, quick: boolean): Promise<string> {
  const few = await open(join(folder, "few"), small);
  const many = await open(join(folder, "many"), large);
  const rounds = quick ? 3 : 7;
  const ratios: Record<keyof Costs, number[]> = { push: [], tag: [], pull: [] };
  const seen: Record<keyof Costs, [number, number][]> = { push: [], tag: [], pull: [] };
  try {
    for (let round = -1; round < rounds; round++) {
      const [first, second] = round % 2 === 0 ? [few, many] : [many, few];
      const one = await costs(first.server, first.count);
      const other = await costs(second.server, second.count);
      if (round < 0) continue; // warm-up
      const [a, b] = first === few ? [one, other] : [other, one];
      for (const kind of ["push", "tag", "pull"] as const) {
        ratios[kind].push(b[kind] / a[kind]);
        seen[kind].push([a[kind], b[kind]]);
      }
    }
  } finally {
    await few.server.stop();
    await many.server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  const lines = (["push", "tag", "pull"] as const).map((kind) => {
    const ratio = median(ratios[kind]);
    const at = (index: 0 | 1) => median(seen[kind].map((pair) => pair[index])).toFixed(3);
    const verdict = ratio <= goal ? "met" : "**missed**";
    return `| ${kind} | ${at(0)} | ${at(1)} | ${ratio.toFixed(2)}× | ${goal}×: ${verdict} |`;
  });
  return `## Growth

Milliseconds for one operation, one client, with ${small.toLocaleString("en")} and with ${large.toLocaleString("en")} manifests in the database (SQLite). Pulls
are of manifests by tag, spread over the whole database, so that no cache helps.

| operation | ${small.toLocaleString("en")} | ${large.toLocaleString("en")} | ratio | goal |
|---|---|---|---|---|
${lines.join("\n")}`;
}

async function open(dataDir: string, count: number) {
  const settings = { ENTREPOT_SPARSE_MANIFESTS: "all" };
  // Once to make the tables.
  await (await startEntrepot("entrepot", dataDir, settings)).stop();
  seedManifests(dataDir, count);
  return { count, server: await startEntrepot("entrepot", dataDir, settings) };
}

async function costs(server: BenchServer, count: number): Promise<Costs> {
  const repositories = Array.from({ length: 40 }, () => growthRepository(Math.floor(Math.random() * count)));
  const scope = [...new Set(repositories)].map((name) => `repository:${name}:pull,push`).join(" ");
  const headers = await server.headers(scope);
  const pick = () => repositories[Math.floor(Math.random() * repositories.length)] ?? "";
  const push = await time(200, () => pushOne(server, headers, pick(), `n${randomBytes(6).toString("hex")}`));
  const tag = await time(200, () =>
    pushOne(server, headers, pick(), growthTag(Math.floor(Math.random() * 1_000))),
  );
  const pull = await time(400, async () => {
    const path = `/v2/${pick()}/manifests/${growthTag(Math.floor(Math.random() * 1_000))}`;
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  });
  return { push, tag, pull };
}

async function time(count: number, work: () => Promise<void>): Promise<number> {
  const each: number[] = [];
  for (let index = 0; index < count; index++) {
    const before = performance.now();
    await work();
    each.push(performance.now() - before);
  }
  return median(each);
}

async function pushOne(
  server: BenchServer,
  headers: Readonly<Record<string, string>>,
  repository: string,
  tag: string,
): Promise<void> {
  const missing = `sha256:${createHash("sha256").update(randomBytes(16)).digest("hex")}`;
  const type = "application/vnd.oci.image.manifest.v1+json";
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: missing, size: 1 };
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType: type,
    config,
    layers: [],
    annotations: { x: "x".repeat(900) },
  });
  const response = await fetch(`http://127.0.0.1:${server.port}/v2/${repository}/manifests/${tag}`, {
    method: "PUT",
    headers: { ...headers, "content-type": type },
    body,
  });
  await response.arrayBuffer();
  if (response.status !== 201) throw new Error(`PUT ${repository}:${tag} answered ${response.status}`);
}
