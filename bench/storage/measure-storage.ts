import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { createBucket } from "@entrepot/server/storage/blob-store/testing/create-bucket";
import { openS3Client } from "@entrepot/server/storage/blob-store/testing/open-s3-client";
import {
  type ObjectServer,
  startObjectServer,
} from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { showReport, takeBenchOptions } from "../bench-options.ts";
import { cpuSeconds, peakMemoryMb, processTree, resetPeakMemory } from "../process-usage.ts";
import type { BenchServer } from "../servers/bench-server.ts";
import { startEntrepot } from "../servers/entrepot.ts";

/*
 * npm run bench:storage -- --out docs/benchmark-storage.md
 *
 * A hundred megabytes, pushed and pulled as one blob and as four at once: through a registry over Ceph's S3 gateway, by the S3 client alone against the same
 * gateway (the limit: the same parts of 8 MiB, one after another), and through a registry over this disk. In every round each does it once; a ratio is the
 * median over the rounds of the quotient in one round. As root, as the gateway is started in a namespace. It keeps deleted objects for
 * hours in its 2 GB: more rounds or megabytes than by default do not fit.
 */

const { rounds, mb, out } = takeBenchOptions({ rounds: 3, mb: 100 }, ["out"]);
const totalBytes = mb * 1_000_000;
const partBytes = 8 * 1_048_576;
const repository = "bench/storage";

interface Contender {
  readonly name: string;
  readonly pid: number | undefined;
  push(content: Buffer, digest: string): Promise<void>;
  pull(digest: string, sizeBytes: number): Promise<void>;
  forget(digest: string): Promise<void>;
}

interface Sample {
  readonly mbPerSecond: number;
  readonly peakMb: number | undefined;
  /** Of the registry. */
  readonly cpuSecondsPerGb: number | undefined;
}

await main();

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-bench-storage-"));
  const gateway = await startObjectServer("ceph");
  const stops: (() => Promise<void>)[] = [() => gateway.stop()];
  try {
    const bucket = await createBucket(gateway);
    const onS3 = await startEntrepot("registry on S3", join(folder, "s3"), {
      ENTREPOT_STORAGE_URL: `s3://${bucket}/registry?endpoint=${gateway.origin}&pathStyle=true`,
      ENTREPOT_STORAGE_ACCESS_KEY: gateway.keys.accessKey,
      ENTREPOT_STORAGE_SECRET_KEY: gateway.keys.secretKey,
      ENTREPOT_GC_GRACE_SECONDS: "1",
      ENTREPOT_GC_INTERVAL_SECONDS: "1",
    });
    stops.push(() => onS3.stop());
    const onDisk = await startEntrepot("registry on disk", join(folder, "disk"), {});
    stops.push(() => onDisk.stop());
    const contenders = [overRegistry(onS3), await directly(gateway, bucket), overRegistry(onDisk)];
    const lines = [head(), ""];
    lines.push(
      "| workload | who | MB/s, median | min..max | registry on S3 ÷ this | CPU of the registry, s/GB | its peak MB |",
    );
    lines.push("|---|---|---|---|---|---|---|");
    for (const atOnce of [1, 4]) lines.push(...(await measure(contenders, atOnce)));
    const text = `${lines.join("\n")}\n`;
    showReport(text, out);
  } finally {
    for (const stop of stops.reverse()) await stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function head(): string {
  return `# The cost of an object store

<!-- Written by \`npm run bench:storage -- --out docs/benchmark-storage.md\`. -->

${totalBytes / 1_000_000} MB as one blob (c=1) and as four at once (c=4) through a registry over Ceph's S3 gateway (monitor, OSD in memory and gateway on this machine), by the S3 client alone against the same gateway in the same parts of 8 MiB, and through
a registry over this disk. Client, registries and gateway share ${cpus().length} cores of ${cpus()[0]?.model ?? "?"}; Node ${process.version}. ${rounds} rounds; in each, everybody once, in turning order; a ratio is the median of the quotients within one
round. What else ran on the machine is in all of them (its load was ${loadavg()[0]?.toFixed(0)} when this began); less than about 20 % is a tie. CPU is user and system time of the registry alone. Peak memory is its high-water mark within a sample.`;
}

async function measure(contenders: readonly Contender[], atOnce: number): Promise<readonly string[]> {
  const pushes = new Map<string, Sample[]>();
  const pulls = new Map<string, Sample[]>();
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      const contents = Array.from({ length: atOnce }, () => {
        const content = randomBytes(totalBytes / atOnce);
        return { content, digest: `sha256:${createHash("sha256").update(content).digest("hex")}` };
      });
      const push = await timed(contender, () =>
        Promise.all(contents.map(({ content, digest }) => contender.push(content, digest))),
      );
      const pull = await timed(contender, () =>
        Promise.all(contents.map(({ digest }) => contender.pull(digest, totalBytes / atOnce))),
      );
      await Promise.all(contents.map(({ digest }) => contender.forget(digest)));
      pushes.set(contender.name, [...(pushes.get(contender.name) ?? []), push]);
      pulls.set(contender.name, [...(pulls.get(contender.name) ?? []), pull]);
    }
  }
  const suffix = `${totalBytes / 1_000_000} MB, c=${atOnce}`;
  return [...rows(`PUSH ${suffix}`, contenders, pushes), ...rows(`GET ${suffix}`, contenders, pulls)];
}

async function timed(contender: Contender, work: () => Promise<unknown>): Promise<Sample> {
  const pids = contender.pid === undefined ? [] : processTree(contender.pid);
  resetPeakMemory(pids);
  const cpuBefore = cpuSeconds(pids);
  const startedAtMs = performance.now();
  await work();
  const seconds = (performance.now() - startedAtMs) / 1_000;
  const mbPerSecond = totalBytes / 1_000_000 / seconds;
  if (contender.pid === undefined) return { mbPerSecond, peakMb: undefined, cpuSecondsPerGb: undefined };
  const cpuSecondsPerGb = ((cpuSeconds(pids) - cpuBefore) * 1_000_000_000) / totalBytes;
  return { mbPerSecond, peakMb: peakMemoryMb(pids), cpuSecondsPerGb };
}

function rows(
  workload: string,
  contenders: readonly Contender[],
  samples: ReadonlyMap<string, readonly Sample[]>,
): readonly string[] {
  const [onS3] = contenders;
  const own = samples.get(onS3?.name ?? "") ?? [];
  return contenders.map(({ name }) => {
    const mine = samples.get(name) ?? [];
    const speeds = mine.map(({ mbPerSecond }) => mbPerSecond);
    const quotients = mine.map(({ mbPerSecond }, round) => (own[round]?.mbPerSecond ?? 0) / mbPerSecond);
    const peaks = mine.flatMap(({ peakMb }) => peakMb ?? []);
    const cpu = mine.flatMap(({ cpuSecondsPerGb }) => cpuSecondsPerGb ?? []);
    const seconds = cpu.length === 0 ? "–" : median(cpu).toFixed(1);
    const ratio = name === onS3?.name ? "–" : `${median(quotients).toFixed(2)}×`;
    const peak = peaks.length === 0 ? "–" : Math.max(...peaks).toFixed(0);
    const range = `${Math.min(...speeds).toFixed(0)}..${Math.max(...speeds).toFixed(0)}`;
    return `| ${workload} | ${name} | ${median(speeds).toFixed(0)} | ${range} | ${ratio} | ${seconds} | ${peak} |`;
  });
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** As docker pushes: POST, one PATCH, PUT. */
function overRegistry(server: BenchServer): Contender {
  const scope = `repository:${repository}:pull,push,delete`;
  const send = async (method: string, path: string, body?: Buffer) => {
    const headers = await server.headers(scope);
    return exchange({ port: server.port, method, path, headers, body });
  };
  return {
    name: server.name,
    pid: server.pid,
    async push(content, digest) {
      const begun = await send("POST", `/v2/${repository}/blobs/uploads/`);
      const patched = await send("PATCH", begun.location, content);
      const { location } = patched;
      const done = await send("PUT", `${location}${location.includes("?") ? "&" : "?"}digest=${digest}`);
      expect(done.status, 201);
    },
    async pull(digest, sizeBytes) {
      const got = await send("GET", `/v2/${repository}/blobs/${digest}`);
      expect(got.status, 200);
      expect(got.bytes, sizeBytes);
    },
    async forget(digest) {
      await send("DELETE", `/v2/${repository}/blobs/${digest}`);
    },
  };
}

interface Exchange {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

async function exchange({ port, method, path, headers, body }: Exchange) {
  const { pathname, search } = new URL(path, `http://127.0.0.1:${port}`);
  const length = { "content-length": String(body?.byteLength ?? 0) };
  const type = body === undefined ? {} : { "content-type": "application/octet-stream" };
  const sent = request({
    host: "127.0.0.1",
    port,
    method,
    path: pathname + search,
    headers: { ...headers, ...length, ...type },
  });
  sent.end(body);
  const [answer] = await once(sent, "response");
  let bytes = 0;
  for await (const chunk of answer) bytes += chunk.length;
  return { status: Number(answer.statusCode), location: String(answer.headers.location ?? ""), bytes };
}

function expect(seen: number, wanted: number): void {
  if (seen !== wanted) throw new Error(`${seen} instead of ${wanted}`);
}

/** The S3 client as the driver uses it, without a registry. */
async function directly(gateway: ObjectServer, bucket: string): Promise<Contender> {
  const client = openS3Client(gateway);
  const at = (digest: string) => ({ Bucket: bucket, Key: `direct/${digest.replace(":", "/")}` });
  return {
    name: "S3 client alone",
    pid: undefined,
    async push(content, digest) {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand(at(digest)));
      const Parts = [];
      for (let start = 0, PartNumber = 1; start < content.byteLength; start += partBytes, PartNumber++) {
        const Body = content.subarray(start, start + partBytes);
        const { ETag } = await client.send(
          new UploadPartCommand({ ...at(digest), UploadId, PartNumber, Body }),
        );
        Parts.push({ PartNumber, ETag });
      }
      const MultipartUpload = { Parts };
      await client.send(new CompleteMultipartUploadCommand({ ...at(digest), UploadId, MultipartUpload }));
    },
    async pull(digest, sizeBytes) {
      const { Body } = await client.send(new GetObjectCommand(at(digest)));
      if (Body === undefined || !("pipe" in Body)) throw new Error("no body");
      let bytes = 0;
      await pipeline(Body, async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) bytes += chunk.byteLength;
      });
      expect(bytes, sizeBytes);
    },
    async forget(digest) {
      await client.send(new DeleteObjectCommand(at(digest)));
    },
  };
}
