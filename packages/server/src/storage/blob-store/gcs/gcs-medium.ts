import { createHash, randomBytes } from "node:crypto";
import { buffer as collect, json } from "node:stream/consumers";
import { AppError } from "../../../lib/app-error.ts";
import type { Clock } from "../../../lib/clock.ts";
import { deleteEach } from "../objects/delete-each.ts";
import type { ListedObject, ObjectMedium } from "../objects/object-medium.ts";
import { createGcsSession, drop, explain, type GcsAnswer, isMissingBucket } from "./gcs-session.ts";
import { createGoogleIdentity } from "./google-identity.ts";
import type { GcsPlace } from "./parse-gcs-url.ts";
import { createResumableUpload } from "./resumable-upload.ts";
import { signGcsUrl } from "./sign-gcs-url.ts";
import { checkStored, readStored, type StoredFacts } from "./stored-facts.ts";

/**
 * A bucket of Google Cloud Storage as a medium, by its JSON API. Objects are created only where there is none (`ifGenerationMatch=0`), which makes every
 * write safe to repeat; what is sent goes with its MD5, which the service checks. `readKeys` gives the text of a key file, anew for each request; undefined = Google's own
 * search for an identity.
 */
export function openGcsMedium(
  place: GcsPlace,
  readKeys: (() => Promise<string>) | undefined,
  clock: Clock,
): ObjectMedium {
  const identity = createGoogleIdentity({ readKeys, signEndpoint: place.signEndpoint, clock });
  const session = createGcsSession(identity);
  const bucket = `${place.endpoint}/storage/v1/b/${place.bucket}/o`;
  const uploads = `${place.endpoint}/upload/storage/v1/b/${place.bucket}/o`;
  const urlOf = (key: string) => `${bucket}/${encodeURIComponent(place.prefix + key)}`;
  const kms = place.kmsKey === undefined ? {} : { kmsKeyName: place.kmsKey };
  const create = (uploadType: string) =>
    `${uploads}?${new URLSearchParams({ uploadType, ifGenerationMatch: "0", ...kms }).toString()}`;
  const factsOf = (key: string) => ({
    name: place.prefix + key,
    contentType: "application/octet-stream",
    ...(place.storageClass === undefined ? {} : { storageClass: place.storageClass }),
  });

  async function deleteObject(key: string, generation?: string): Promise<void> {
    const only = generation === undefined ? "" : `?generation=${generation}`;
    const answer = await session.request({ method: "DELETE", url: urlOf(key) + only });
    if (answer.status === 200 || answer.status === 204) await drop(answer);
    else await missingIsUndefined(answer);
  }

  /** Of an object that is there already: the first try may have made it, and only its answer got lost. */
  async function findStored(key: string): Promise<StoredFacts | undefined> {
    const answer = await session.request({ method: "GET", url: urlOf(key) });
    return answer.status === 200 ? readStored(answer) : missingIsUndefined(answer);
  }

  return {
    endpoint: place.endpoint,
    partBytes: place.partBytes,
    maxParts: Number.MAX_SAFE_INTEGER,
    async put(key, bytes) {
      const md5 = createHash("md5").update(bytes).digest("base64");
      const answer = await session.request({
        method: "POST",
        url: create("multipart"),
        ...multipart({ ...factsOf(key), md5Hash: md5 }, bytes),
      });
      let stored: StoredFacts | undefined;
      if (answer.status === 412) {
        await drop(answer);
        stored = await findStored(key);
      } else if (answer.status === 200) stored = await readStored(answer);
      else throw await explain(answer);
      if (stored === undefined)
        throw new AppError("UNAVAILABLE", "the object store kept nothing of an object");
      checkStored(stored, { sizeBytes: bytes.byteLength, md5 });
    },
    async begin(key) {
      const answer = await session.request({
        method: "POST",
        url: create("resumable"),
        headers: { "content-type": "application/json" },
        body: JSON.stringify(factsOf(key)),
      });
      const url = answer.header("location");
      if (answer.status !== 200 || url === undefined) throw await explain(answer);
      await drop(answer);
      return createResumableUpload(session, sessionUrl(url, place.endpoint), {
        partBytes: place.partBytes,
        deleteWrong: ({ generation }) => deleteObject(key, generation),
      });
    },
    async get(key, start, lengthBytes) {
      const range = `bytes=${start}-${start + lengthBytes - 1}`;
      const answer = await session.request({
        method: "GET",
        url: `${urlOf(key)}?alt=media`,
        headers: { range },
      });
      if (answer.status === 404) return missingIsUndefined(answer);
      if (answer.status !== 206) throw await explain(answer);
      const isWanted = answer.header("content-range")?.startsWith(`bytes ${start}-`) === true;
      if (!isWanted || Number(answer.header("content-length") ?? lengthBytes) < lengthBytes) {
        answer.body.destroy();
        throw new AppError("UNAVAILABLE", "the object store answered with another range than was asked for");
      }
      return answer.body;
    },
    async getWhole(key) {
      const answer = await session.request({ method: "GET", url: `${urlOf(key)}?alt=media` });
      if (answer.status !== 200) return missingIsUndefined(answer);
      const bytes = await collect(answer.body);
      const [, md5] = /(?:^|[, ])md5=([A-Za-z0-9+/=]{24})/.exec(answer.header("x-goog-hash") ?? "") ?? [];
      if (md5 !== undefined && md5 !== createHash("md5").update(bytes).digest("base64")) {
        throw new AppError("UNAVAILABLE", "the object store gave back other bytes than it was given");
      }
      return bytes;
    },
    async *list(below) {
      let pageToken: string | undefined;
      do {
        const query = new URLSearchParams({
          prefix: place.prefix + below,
          fields: "items(name,size,updated),nextPageToken",
          ...(pageToken === undefined ? {} : { pageToken }),
        });
        const answer = await session.request({ method: "GET", url: `${bucket}?${query.toString()}` });
        if (answer.status !== 200) throw await explain(answer);
        const page = parseListing(await json(answer.body));
        for (const object of page.objects) yield { ...object, key: object.key.slice(place.prefix.length) };
        pageToken = page.nextPageToken;
      } while (pageToken !== undefined);
    },
    delete: (keys) => deleteEach(keys, (key) => deleteObject(key)),
    // The service has no list of them, takes nothing for them, and ends them after a week.
    async *listUnfinished() {},
    async abort() {},
    async signUrl(key, reply) {
      const signer = await identity.findSigner();
      if (signer === undefined) return undefined;
      const origin = place.publicEndpoint ?? place.endpoint;
      return signGcsUrl(
        signer,
        { origin, bucket: place.bucket, key: place.prefix + key },
        reply,
        clock.nowMs(),
      );
    },
    close: () => session.close(),
  };
}

/** Facts and bytes in one request. https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object */
function multipart(facts: object, bytes: Uint8Array) {
  const boundary = randomBytes(16).toString("hex");
  const type = "content-type: application/octet-stream";
  const head = `--${boundary}\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(facts)}\r\n--${boundary}\r\n${type}\r\n\r\n`;
  return {
    headers: { "content-type": `multipart/related; boundary=${boundary}` },
    body: Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}

/** Where a session is gone on with: at the address that we reach the service by, whatever it calls itself; nobody else is sent our token. */
function sessionUrl(location: string, endpoint: string): string {
  const url = URL.canParse(location) ? new URL(location) : undefined;
  if (url === undefined) throw new AppError("UNAVAILABLE", "the object store began no upload");
  return endpoint + url.pathname + url.search;
}

async function missingIsUndefined(answer: GcsAnswer): Promise<undefined> {
  if (answer.status !== 404) throw await explain(answer);
  const text = (await collect(answer.body)).toString();
  if (isMissingBucket(text)) {
    throw new AppError("UNAVAILABLE", "the bucket does not exist (404); make it, or correct storage.url");
  }
  return undefined;
}

function parseListing(body: unknown): {
  readonly objects: readonly ListedObject[];
  readonly nextPageToken: string | undefined;
} {
  if (typeof body !== "object" || body === null) {
    throw new AppError("UNAVAILABLE", "the object store's listing is no listing");
  }
  const items: readonly unknown[] = "items" in body && Array.isArray(body.items) ? body.items : [];
  const objects = items.flatMap((item) => {
    if (typeof item !== "object" || item === null || !("name" in item) || !("size" in item)) return [];
    const updated = "updated" in item ? Date.parse(String(item.updated)) : 0;
    return [{ key: String(item.name), sizeBytes: Number(item.size), modifiedAtMs: updated || 0 }];
  });
  const next = "nextPageToken" in body && typeof body.nextPageToken === "string" ? body.nextPageToken : "";
  return { objects, nextPageToken: next === "" ? undefined : next };
}
