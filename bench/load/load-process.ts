import { createHash, randomBytes } from "node:crypto";
import { type Connection, headOf, openConnection } from "./connection.ts";
import { runDiscard } from "./discard.ts";
import type { Job, JobResult, ManifestJob, PushJob, ReadJob } from "./job.ts";

/** The load side of a measurement, in a process of its own so that its CPU is not the server's. Takes one job and answers it. */
process.once("message", (job: Job) => {
  run(job).then(
    (result) => process.send?.(result, () => process.exit(0)),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});

async function run(job: Job): Promise<JobResult> {
  if (job.kind === "discard") return runDiscard(job);
  const connections = await Promise.all(
    Array.from({ length: job.connections }, () => openConnection(job.port)),
  );
  const work =
    job.kind === "read"
      ? prepareReads(job)
      : job.kind === "push"
        ? preparePushes(job)
        : prepareManifests(job);
  // One request on each connection first: connecting and warming up is not what is measured.
  if (job.kind === "read") await Promise.all(connections.map((connection, index) => work(connection, index)));
  const latencies: number[] = [];
  let bytes = 0;
  let next = 0;
  const started = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      for (let index = next++; index < job.requests; index = next++) {
        const before = performance.now();
        const done = await work(connection, index);
        bytes += done; // not `bytes += await …`: that reads the sum before it waits
        latencies.push(performance.now() - before);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1_000;
  for (const connection of connections) connection.close();
  latencies.sort((left, right) => left - right);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { seconds, bytes, requests: job.requests, p50Ms: at(0.5), p99Ms: at(0.99) };
}

function prepareReads(job: ReadJob) {
  const heads = job.paths.map((path) => headOf(job.method, path, job.headers));
  return async (connection: Connection, index: number) => {
    const answer = await connection.ask(heads[index % heads.length] ?? "");
    if (answer.status !== 200) throw new Error(`${job.method} ${job.paths[0]} answered ${answer.headers}`);
    return answer.bodyBytes;
  };
}

/** Content is random and its digest known before the clock starts; each push differs in its first bytes. */
function preparePushes(job: PushJob) {
  const base = randomBytes(Math.max(0, job.sizeBytes - 16));
  const contents = Array.from({ length: job.requests }, () => {
    const mark = randomBytes(Math.min(16, job.sizeBytes));
    return { mark, digest: `sha256:${createHash("sha256").update(mark).update(base).digest("hex")}` };
  });
  const octets = { ...job.headers, "content-type": "application/octet-stream" };
  return async (connection: Connection, index: number) => {
    const content = contents[index];
    if (content === undefined) throw new Error("more pushes than were prepared");
    const body = [content.mark, base];
    const begun = await connection.ask(
      headOf("POST", `/v2/${job.repository}/blobs/uploads/`, job.headers, 0),
    );
    let location = locationOf(begun.headers);
    if (job.flow === "patch") {
      const appended = await connection.ask(headOf("PATCH", location, octets, job.sizeBytes), body);
      if (appended.status !== 202) throw new Error(`PATCH answered ${appended.headers}`);
      location = locationOf(appended.headers);
    }
    const closing = `${location}${location.includes("?") ? "&" : "?"}digest=${content.digest}`;
    const isLast = job.flow === "put";
    const closed = await connection.ask(
      headOf("PUT", closing, octets, isLast ? job.sizeBytes : 0),
      isLast ? body : [],
    );
    if (closed.status !== 201) throw new Error(`PUT answered ${closed.headers}`);
    return job.sizeBytes;
  };
}

function prepareManifests(job: ManifestJob) {
  const type = "application/vnd.oci.image.manifest.v1+json";
  const run = randomBytes(8).toString("hex");
  const bodies = Array.from({ length: job.requests }, (_, index) => {
    const config = { mediaType: "application/vnd.oci.image.config.v1+json", ...job.config };
    const annotations = { run, index: String(index), note: "x".repeat(800) };
    return Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers: [], annotations }),
    );
  });
  const headers = { ...job.headers, "content-type": type };
  return async (connection: Connection, index: number) => {
    const body = bodies[index];
    if (body === undefined) throw new Error("more manifests than were prepared");
    const path = `/v2/${job.repository}/manifests/t-${run}-${index}`;
    const answer = await connection.ask(headOf("PUT", path, headers, body.byteLength), [body]);
    if (answer.status !== 201) throw new Error(`PUT ${path} answered ${answer.headers}`);
    return body.byteLength;
  };
}

function locationOf(headers: string): string {
  const location = /\r\nlocation: *(\S+)/i.exec(headers)?.[1];
  if (location === undefined) throw new Error(`an answer without Location:\n${headers}`);
  const url = new URL(location, "http://127.0.0.1");
  return `${url.pathname}${url.search}`;
}
