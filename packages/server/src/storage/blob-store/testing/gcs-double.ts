import {
  createHash,
  createSign,
  createVerify,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer as collect } from "node:stream/consumers";
import { systemClock } from "../../../lib/clock.ts";
import { verifySignedUrl } from "./verify-gcs-url.ts";

/** A service account that the double knows, as a key file describes it. */
export interface TestServiceAccount {
  readonly email: string;
  /** The text of its key file. */
  readonly keyFile: string;
  readonly publicKey: KeyObject;
}

/**
 * A strict double of what the driver uses of Google Cloud Storage: tokens are verified with the account's public key, bodies against their MD5, preconditions and ranges as
 * documented, parts must be multiples of 256 KiB, addresses are verified offline. Besides it is the machine's metadata server and the service
 * that signs for whoever has no key. One bucket, `blobs`.
 */
export interface GcsDouble {
  readonly origin: string;
  readonly account: TestServiceAccount;
  /** Tokens that the metadata server gave out and the double still takes. */
  readonly tokens: Set<string>;
  /** Names of the objects that are there. */
  names(): readonly string[];
  /** Keeps only so many bytes of the next part, as a service that is interrupted does. */
  keepOnly(bytes: number): void;
  /** Stores the next object with other bytes than it was given, and says so. */
  spoilNext(): void;
  /** Makes accounts known, forgets the others. */
  know(...accounts: readonly TestServiceAccount[]): void;
  close(): Promise<void>;
}

interface Stored {
  readonly bytes: Buffer;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly generation: number;
  readonly updated: string;
}

interface Session {
  readonly facts: Readonly<Record<string, unknown>>;
  bytes: Buffer;
  isDone: boolean;
}

const bucket = "blobs";
const chunkBytes = 262_144;
const pageSize = 3;

export function createTestAccount(name: string): TestServiceAccount {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const email = `${name}@project.iam.gserviceaccount.com`;
  const keyFile = JSON.stringify({
    type: "service_account",
    project_id: "project",
    private_key_id: randomUUID(),
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    client_email: email,
    client_id: "1",
    universe_domain: "googleapis.com",
  });
  return { email, keyFile, publicKey };
}

export async function startGcsDouble(): Promise<GcsDouble> {
  const objects = new Map<string, Stored>();
  const sessions = new Map<string, Session>();
  const tokens = new Set<string>();
  const account = createTestAccount("registry");
  const machine = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const machineEmail = "machine@project.iam.gserviceaccount.com";
  let accounts: readonly TestServiceAccount[] = [account];
  let keptOnly: number | undefined;
  let isSpoiled = false;
  let generation = 1_000;

  function isKnown(header: string | undefined): boolean {
    const [, token = ""] = /^Bearer (\S+)$/.exec(header ?? "") ?? [];
    if (tokens.has(token)) return true;
    const [head = "", body = "", signature = ""] = token.split(".");
    if (signature === "") return false;
    const claims: { readonly iss?: string; readonly exp?: number; readonly scope?: string } = JSON.parse(
      Buffer.from(body, "base64url").toString(),
    );
    const owner = accounts.find(({ email }) => email === claims.iss);
    if (owner === undefined || (claims.exp ?? 0) * 1_000 < systemClock.nowMs()) return false;
    if (claims.scope?.includes("devstorage") !== true) return false;
    const verify = createVerify("RSA-SHA256").update(`${head}.${body}`);
    return verify.verify(owner.publicKey, Buffer.from(signature, "base64url"));
  }

  function store(name: string, bytes: Buffer, facts: Readonly<Record<string, unknown>>): object {
    const kept = isSpoiled ? Buffer.concat([Buffer.from("x"), bytes.subarray(1)]) : bytes;
    isSpoiled = false;
    const made = { bytes: kept, facts, generation: (generation += 1), updated: new Date().toISOString() };
    objects.set(name, made);
    return describe(name, made);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
    const body = await collect(request);
    const say = (status: number, value: unknown, headers: Record<string, string> = {}) => {
      const bytes = Buffer.isBuffer(value)
        ? value
        : Buffer.from(value === undefined ? "" : JSON.stringify(value));
      response.writeHead(status, {
        "content-type": "application/json",
        ...headers,
        "content-length": bytes.byteLength,
      });
      response.end(bytes);
    };
    const refuse = (status: number, message: string) => say(status, { error: { code: status, message } });

    if (url.pathname.startsWith("/computeMetadata/")) return metadata(url, say);
    if (url.searchParams.has("X-Goog-Signature")) {
      const keys = new Map([
        ...accounts.map(({ email, publicKey }) => [email, publicKey] as const),
        [machineEmail, machine.publicKey] as const,
      ]);
      const name = verifySignedUrl(request, url, keys, systemClock.nowMs());
      if (name === undefined) return refuse(403, "SignatureDoesNotMatch");
      const stored = objects.get(name.slice(bucket.length + 1));
      if (stored === undefined) return refuse(404, "NoSuchKey");
      const type = url.searchParams.get("response-content-type") ?? "application/octet-stream";
      return sendBytes(request, say, stored.bytes, { "content-type": type });
    }
    if (!isKnown(request.headers.authorization)) return refuse(401, "Invalid Credentials");
    const signing = /^\/sign\/(.+):signBlob$/.exec(url.pathname)?.[1];
    if (signing !== undefined) {
      const { payload }: { readonly payload: string } = JSON.parse(body.toString());
      const signed = createSign("RSA-SHA256").update(Buffer.from(payload, "base64")).sign(machine.privateKey);
      return say(200, { keyId: "1", signedBlob: signed.toString("base64") });
    }
    const [, kind, wanted, name] =
      /^\/(upload\/)?storage\/v1\/b\/([^/]+)\/o(?:\/(.+))?$/.exec(url.pathname) ?? [];
    if (wanted === undefined) return refuse(404, "Not Found");
    if (wanted !== bucket) return refuse(404, "The specified bucket does not exist.");
    if (kind !== undefined) return upload(request, url, body, say, refuse);
    if (name === undefined) return listObjects(url, say);
    const key = decodeURIComponent(name);
    const stored = objects.get(key);
    if (stored === undefined) return refuse(404, `No such object: ${bucket}/${key}`);
    if (request.method === "DELETE") {
      const only = url.searchParams.get("generation");
      if (only !== null && Number(only) !== stored.generation) return refuse(404, `No such object: ${key}`);
      objects.delete(key);
      return say(204, undefined);
    }
    if (url.searchParams.get("alt") !== "media") return say(200, describe(key, stored));
    return sendBytes(request, say, stored.bytes, { "x-goog-hash": `md5=${md5Of(stored.bytes)}` });
  }

  function listObjects(url: URL, say: (status: number, value: unknown) => void): void {
    const prefix = url.searchParams.get("prefix") ?? "";
    const after = url.searchParams.get("pageToken") ?? "";
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, pageSize);
    const items = page.flatMap((key) => {
      const stored = objects.get(key);
      return stored === undefined ? [] : [describe(key, stored)];
    });
    say(200, {
      ...(items.length === 0 ? {} : { items }),
      ...(keys.length > page.length ? { nextPageToken: page.at(-1) } : {}),
    });
  }

  function upload(
    request: IncomingMessage,
    url: URL,
    body: Buffer,
    say: (status: number, value: unknown, headers?: Record<string, string>) => void,
    refuse: (status: number, message: string) => void,
  ): void {
    const isTaken = (name: string) => url.searchParams.get("ifGenerationMatch") === "0" && objects.has(name);
    const id = url.searchParams.get("upload_id");
    if (id !== null) {
      const session = sessions.get(id);
      if (session === undefined) return refuse(404, "No such upload");
      if (request.method === "DELETE") {
        sessions.delete(id);
        return refuse(499, "Client Closed Request");
      }
      return continueUpload(request, session, body, say, refuse);
    }
    if (url.searchParams.get("uploadType") === "resumable") {
      const facts: Record<string, unknown> = JSON.parse(body.toString());
      if (isTaken(String(facts["name"]))) return refuse(412, "conditionNotMet");
      const made = randomUUID();
      sessions.set(made, { facts, bytes: Buffer.alloc(0), isDone: false });
      return say(200, undefined, {
        location: `${url.origin}${url.pathname}?uploadType=resumable&upload_id=${made}`,
      });
    }
    const [, boundary = ""] = /boundary=([a-f0-9]+)/.exec(request.headers["content-type"] ?? "") ?? [];
    const { facts, bytes } = splitMultipart(body, boundary);
    const name = String(facts["name"]);
    if (facts["md5Hash"] !== md5Of(bytes))
      return refuse(400, "Provided MD5 hash doesn't match calculated MD5 hash");
    if (isTaken(name)) return refuse(412, "conditionNotMet");
    return say(200, store(name, bytes, { ...facts, ...kmsOf(url) }));
  }

  function continueUpload(
    request: IncomingMessage,
    session: Session,
    body: Buffer,
    say: (status: number, value: unknown, headers?: Record<string, string>) => void,
    refuse: (status: number, message: string) => void,
  ): void {
    const name = String(session.facts["name"]);
    const finished = () => {
      const stored = objects.get(name);
      return stored === undefined ? refuse(410, "Gone") : say(200, describe(name, stored));
    };
    if (session.isDone) return finished();
    const [, first, last, total = "*"] =
      /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(request.headers["content-range"] ?? "") ?? [];
    if (first !== undefined) {
      const isWhole = Number(last) - Number(first) + 1 === body.byteLength;
      if (!isWhole || Number(first) > session.bytes.byteLength) return refuse(400, "Invalid Content-Range");
      if (total === "*" && body.byteLength % chunkBytes !== 0)
        return refuse(400, "not a multiple of 256 KiB");
      const kept = Buffer.concat([session.bytes.subarray(0, Number(first)), body]);
      if (keptOnly !== undefined) {
        session.bytes = kept.subarray(0, Number(first) + Math.floor(keptOnly / chunkBytes) * chunkBytes);
        keptOnly = undefined;
        return refuse(503, "interrupted");
      }
      session.bytes = kept;
    }
    if (total === "*" || session.bytes.byteLength < Number(total)) {
      const { byteLength } = session.bytes;
      return say(308, undefined, byteLength === 0 ? {} : { range: `bytes=0-${byteLength - 1}` });
    }
    const [, md5] = /md5=([A-Za-z0-9+/=]+)/.exec(String(request.headers["x-goog-hash"] ?? "")) ?? [];
    if (md5 !== undefined && md5 !== md5Of(session.bytes)) return refuse(400, "MD5 does not match");
    session.isDone = true;
    store(name, session.bytes, session.facts);
    finished();
  }

  function metadata(
    url: URL,
    say: (status: number, value: unknown, headers: Record<string, string>) => void,
  ): void {
    const headers = { "metadata-flavor": "Google" };
    const plain = { ...headers, "content-type": "text/plain" };
    const path = url.pathname.replace(/^\/computeMetadata\/v1\/?/, "").replace(/\/$/, "");
    if (path === "instance/service-accounts/default/token") {
      const token = `ya29.${randomUUID()}`;
      tokens.add(token);
      return say(200, { access_token: token, expires_in: 3_600, token_type: "Bearer" }, headers);
    }
    if (path === "instance/service-accounts/default/email") return say(200, Buffer.from(machineEmail), plain);
    if (path === "universe/universe-domain") return say(200, Buffer.from("googleapis.com"), plain);
    return say(path === "" || path === "instance" ? 200 : 404, Buffer.from("ok"), plain);
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    account,
    tokens,
    names: () => [...objects.keys()].sort(),
    keepOnly: (bytes) => {
      keptOnly = bytes;
    },
    spoilNext: () => {
      isSpoiled = true;
    },
    know: (...known) => {
      accounts = known;
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function describe(name: string, stored: Stored): object {
  const { bytes, generation, updated, facts } = stored;
  const size = String(bytes.byteLength);
  return { ...facts, name, bucket, size, updated, generation: String(generation), md5Hash: md5Of(bytes) };
}

function sendBytes(
  request: IncomingMessage,
  say: (status: number, value: unknown, headers: Record<string, string>) => void,
  bytes: Buffer,
  headers: Record<string, string>,
): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  if (first === undefined) return say(200, bytes, headers);
  const end = Math.min(Number(last), bytes.byteLength - 1);
  if (Number(first) > end) return say(416, undefined, headers);
  const range = `bytes ${first}-${end}/${bytes.byteLength}`;
  return say(206, bytes.subarray(Number(first), end + 1), { ...headers, "content-range": range });
}

function splitMultipart(
  body: Buffer,
  boundary: string,
): { readonly facts: Readonly<Record<string, unknown>>; readonly bytes: Buffer } {
  const gap = Buffer.from("\r\n\r\n");
  const factsAt = body.indexOf(gap) + gap.byteLength;
  const secondAt = body.indexOf(`\r\n--${boundary}`, factsAt);
  const bytesAt = body.indexOf(gap, secondAt) + gap.byteLength;
  const endAt = body.lastIndexOf(`\r\n--${boundary}--`);
  return {
    facts: JSON.parse(body.subarray(factsAt, secondAt).toString()),
    bytes: body.subarray(bytesAt, endAt),
  };
}

function kmsOf(url: URL): Readonly<Record<string, string>> {
  const key = url.searchParams.get("kmsKeyName");
  return key === null ? {} : { kmsKeyName: key };
}

function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("base64");
}
