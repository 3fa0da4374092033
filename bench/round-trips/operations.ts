import { createHash, randomBytes } from "node:crypto";

/** One kind of request, on content of its own each time. */
export interface Operation {
  readonly name: string;
  /** Does what must come before and answers what is measured. */
  readonly prepare: () => Promise<() => Promise<void>>;
}

/** Sends a request and checks its status. */
export type Send = (
  method: string,
  path: string,
  request: { readonly status: number; readonly body?: Buffer; readonly type?: string },
) => Promise<{ readonly location: string }>;

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const emptyType = "application/vnd.oci.empty.v1+json";

/** The requests of a pull and of a push, in two repositories that are there. Call once; `send` speaks to one server. */
export async function makeOperations(send: Send): Promise<readonly Operation[]> {
  const own = "/v2/bench/app";
  const other = "/v2/bench/other";
  const push = (repository: string, body: Buffer) =>
    send("POST", `${repository}/blobs/uploads/?digest=${digestOf(body)}`, { status: 201, body });
  const layers = Array.from({ length: 5 }, (_, index) => Buffer.from(`layer ${index}`));
  for (const body of [Buffer.from("{}"), ...layers]) for (const each of [own, other]) await push(each, body);
  const putManifest = (reference: string, body: Buffer) =>
    send("PUT", `${own}/manifests/${reference}`, { status: 201, body, type: manifestType });
  const get = (path: string) => async () => void (await send("GET", path, { status: 200 }));
  const begin = () => send("POST", `${own}/blobs/uploads/`, { status: 202 });
  const blob = () => randomBytes(1_024);

  async function pushed(reference: (digest: string) => string): Promise<string> {
    const body = manifest(layers);
    await putManifest(reference(digestOf(body)), body);
    return `${own}/manifests/${reference(digestOf(body))}`;
  }

  async function seen(path: string): Promise<() => Promise<void>> {
    await get(path)();
    return get(path);
  }

  const byDigest = (digest: string) => digest;
  const byTag = () => "latest";
  return [
    { name: "GET manifest by digest, first", prepare: async () => get(await pushed(byDigest)) },
    { name: "GET manifest by digest, again", prepare: async () => seen(await pushed(byDigest)) },
    { name: "GET manifest by tag, first", prepare: async () => get(await pushed(byTag)) },
    { name: "GET manifest by tag, again", prepare: async () => seen(await pushed(byTag)) },
    {
      name: "PUT manifest, a tag moves",
      async prepare() {
        const body = manifest(layers);
        return async () => void (await putManifest("latest", body));
      },
    },
    {
      name: "PUT manifest by digest",
      async prepare() {
        const body = manifest(layers);
        return async () => void (await putManifest(digestOf(body), body));
      },
    },
    { name: "POST upload", prepare: async () => async () => void (await begin()) },
    {
      name: "PATCH upload",
      async prepare() {
        const { location } = await begin();
        const body = blob();
        return async () => void (await send("PATCH", location, { status: 202, body }));
      },
    },
    {
      name: "PUT upload",
      async prepare() {
        const { location } = await begin();
        const body = blob();
        await send("PATCH", location, { status: 202, body });
        return async () => void (await send("PUT", `${location}?digest=${digestOf(body)}`, { status: 201 }));
      },
    },
    {
      name: "POST blob in one request",
      async prepare() {
        const body = blob();
        return async () => void (await push(own, body));
      },
    },
    {
      name: "POST mount",
      async prepare() {
        const body = blob();
        await push(other, body);
        const path = `${own}/blobs/uploads/?mount=${digestOf(body)}&from=bench/other`;
        return async () => void (await send("POST", path, { status: 201 }));
      },
    },
  ];
}

function manifest(layers: readonly Buffer[]): Buffer {
  const descriptor = (mediaType: string, body: Buffer) => ({
    mediaType,
    digest: digestOf(body),
    size: body.byteLength,
  });
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: descriptor(emptyType, Buffer.from("{}")),
      layers: layers.map((layer) => descriptor("application/octet-stream", layer)),
      annotations: { unique: randomBytes(16).toString("hex") },
    }),
  );
}

function digestOf(body: Buffer): string {
  return `sha256:${createHash("sha256").update(body).digest("hex")}`;
}
