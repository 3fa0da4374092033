import { createHmac } from "node:crypto";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { setTimeout as pause } from "node:timers/promises";
import { AppError } from "../../../lib/app-error.ts";
import type { Clock } from "../../../lib/clock.ts";
import { deleteEach } from "../objects/delete-each.ts";
import type { ListedObject, ObjectMedium, PartedObject, UnfinishedObject } from "../objects/object-medium.ts";
import type { StorageKeys } from "../objects/storage-keys.ts";
import type { SwiftPlace } from "./parse-swift-url.ts";
import { createSwiftSession, type SwiftSession } from "./swift-session.ts";

// https://docs.openstack.org/swift/latest/overview_large_objects.html: max_manifest_segments of a default installation
const maxParts = 1_000;
const pageSize = 1_000;
/** The parts of large objects lie beside them: a static large object names them, and takes them along when it is deleted. */
const partsFolder = "parts/";

/**
 * A Swift container as a medium, by Swift's own interface. A large object is a static one (SLO): parts are objects of their own under `parts/<key>/`,
 * and a manifest that names them makes them one. Signed addresses are TempURLs, where the container has a key.
 */
export function openSwiftMedium(
  place: SwiftPlace,
  readKeys: () => Promise<StorageKeys>,
  clock: Clock,
): ObjectMedium {
  const session = createSwiftSession(place, readKeys, async (ms) => {
    await pause(ms);
  });
  const container = `/${place.container}`;
  const pathOf = (key: string) => `${container}/${place.prefix}${key}`;

  async function* listKeys(prefix: string): AsyncGenerator<ListedObject> {
    for (let marker = ""; ; ) {
      const query = new URLSearchParams({
        format: "json",
        limit: String(pageSize),
        prefix: place.prefix + prefix,
        ...(marker === "" ? {} : { marker }),
      });
      const answer = await session.request(`${container}?${query.toString()}`, { method: "GET" });
      if (answer.status === 204) return;
      if (answer.status !== 200) throw await explain(answer);
      const page = parseListing(await answer.json());
      for (const { isLarge, ...object } of page) {
        const sizeBytes = isLarge ? await sizeOf(session, `${container}/${object.key}`) : object.sizeBytes;
        yield { ...object, sizeBytes, key: object.key.slice(place.prefix.length) };
      }
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) return;
      marker = last.key;
    }
  }

  async function deleteParts(key: string): Promise<void> {
    const parts: string[] = [];
    for await (const part of listKeys(`${partsFolder}${key}/`)) parts.push(part.key);
    await deleteEach(parts, (part) => deleteObject(session, pathOf(part)));
  }

  return {
    endpoint: place.authUrl,
    partBytes: place.partBytes,
    maxParts,
    put: (key, bytes) => putObject(session, pathOf(key), bytes),
    begin: async (key) => createPartedObject(session, key, pathOf, () => deleteParts(key)),
    async get(key, start, lengthBytes) {
      const range = `bytes=${start}-${start + lengthBytes - 1}`;
      const answer = await session.request(pathOf(key), { method: "GET", headers: { range } });
      if (answer.status === 404) {
        await answer.body?.cancel();
        return undefined;
      }
      if (
        answer.status !== 206 ||
        answer.headers.get("content-range")?.startsWith(`bytes ${start}-`) !== true
      ) {
        throw await explain(answer);
      }
      return streamOf(answer);
    },
    async getWhole(key) {
      const answer = await session.request(pathOf(key), { method: "GET" });
      if (answer.status === 404) {
        await answer.body?.cancel();
        return undefined;
      }
      if (answer.status !== 200) throw await explain(answer);
      return Buffer.from(await answer.arrayBuffer());
    },
    async *list(prefix) {
      for await (const object of listKeys(prefix)) {
        if (!object.key.startsWith(partsFolder)) yield object;
      }
    },
    // The object first: parts that a crash leaves are those of an unfinished object.
    delete: (all) =>
      deleteEach(all, async (key) => {
        await deleteObject(session, pathOf(key));
        await deleteParts(key);
      }),
    async *listUnfinished(prefix) {
      const groups = new Map<string, UnfinishedObject>();
      for await (const { key, modifiedAtMs } of listKeys(partsFolder + prefix)) {
        const of = key.slice(partsFolder.length, key.lastIndexOf("/"));
        if (!groups.has(of)) groups.set(of, { key: of, token: "", begunAtMs: modifiedAtMs });
      }
      for (const unfinished of groups.values()) {
        // Parts whose manifest is there are not unfinished.
        const head = await session.request(pathOf(unfinished.key), { method: "HEAD" });
        if (head.status === 404) yield unfinished;
        else if (!head.ok) throw await explain(head);
      }
    },
    abort: ({ key }) => deleteParts(key),
    async signUrl(key, reply) {
      if (place.tempUrlKey === undefined) return undefined;
      // The account's address is known after the first request; ask for nothing but that.
      const base = await session.storageUrl();
      const url = new URL(base + pathOf(key));
      const expires = Math.floor(clock.nowMs() / 1_000) + reply.expiresSeconds;
      // https://docs.openstack.org/swift/latest/api/temporary_url_middleware.html
      const text = `GET\n${expires}\n${url.pathname}`;
      url.searchParams.set("temp_url_sig", createHmac("sha256", place.tempUrlKey).update(text).digest("hex"));
      url.searchParams.set("temp_url_expires", String(expires));
      return url.href;
    },
    close: async () => {},
  };
}

function createPartedObject(
  session: SwiftSession,
  key: string,
  pathOf: (key: string) => string,
  deleteParts: () => Promise<void>,
): PartedObject {
  const parts = new Map<number, { readonly path: string; readonly sizeBytes: number }>();
  return {
    async writePart(number, bytes) {
      const path = pathOf(`${partsFolder}${key}/${String(number).padStart(5, "0")}`);
      await putObject(session, path, bytes);
      parts.set(number, { path, sizeBytes: bytes.byteLength });
    },
    async complete() {
      const manifest = [...parts]
        .sort(([left], [right]) => left - right)
        .map(([, { path, sizeBytes }]) => ({ path, size_bytes: sizeBytes }));
      const answer = await session.request(`${pathOf(key)}?multipart-manifest=put`, {
        method: "PUT",
        headers: { "content-type": "application/octet-stream" },
        body: JSON.stringify(manifest),
      });
      if (answer.status !== 201) throw await explain(answer);
      await answer.body?.cancel();
    },
    abort: deleteParts,
  };
}

async function putObject(session: SwiftSession, path: string, body: Uint8Array): Promise<void> {
  const answer = await session.request(path, {
    method: "PUT",
    headers: { "content-type": "application/octet-stream" },
    body,
  });
  if (answer.status !== 201) throw await explain(answer);
  await answer.body?.cancel();
}

async function deleteObject(session: SwiftSession, path: string): Promise<void> {
  const answer = await session.request(path, { method: "DELETE" });
  if (answer.status !== 404 && !answer.ok) throw await explain(answer);
  await answer.body?.cancel();
}

function streamOf(answer: Response): Readable {
  // as: the two declarations of the web's stream differ, the object is the same
  return answer.body === null ? Readable.from([]) : Readable.fromWeb(answer.body as ReadableStream);
}

/** The listing tells of a large object how long its manifest is. */
async function sizeOf(session: SwiftSession, path: string): Promise<number> {
  const head = await session.request(path, { method: "HEAD" });
  if (head.status === 404) return 0;
  if (!head.ok) throw await explain(head);
  return Number(head.headers.get("content-length") ?? 0);
}

function parseListing(body: unknown): readonly (ListedObject & { readonly isLarge: boolean })[] {
  if (!Array.isArray(body)) throw new AppError("UNAVAILABLE", "the object store's listing is no listing");
  return body.flatMap((entry: unknown) => {
    if (typeof entry !== "object" || entry === null) return [];
    const { name, bytes, last_modified: modified } = { name: "", bytes: 0, last_modified: "", ...entry };
    if (typeof name !== "string" || typeof bytes !== "number") return [];
    // Swift writes UTC without saying so.
    const modifiedAtMs = Date.parse(`${modified}Z`) || 0;
    return [{ key: name, sizeBytes: bytes, modifiedAtMs, isLarge: "slo_etag" in entry }];
  });
}

async function explain(answer: Response): Promise<AppError> {
  await answer.body?.cancel();
  if (answer.status === 413 || answer.status === 507) {
    return new AppError(
      "STORAGE_FULL",
      "the registry's object store is full; nothing that was stored is lost",
    );
  }
  const sentence =
    answer.status === 404
      ? "the container does not exist; make it, or correct storage.url"
      : answer.status === 401 || answer.status === 403
        ? `the object store refuses this account (${answer.status}): it must be able to read, write, delete and list in the container`
        : `the object store answers ${answer.status}`;
  return new AppError("UNAVAILABLE", sentence);
}
