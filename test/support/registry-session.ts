import { createHash, randomBytes } from "node:crypto";

export interface Content {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** Bytes that nobody has pushed before, with their sha256 digest. */
export function randomContent(sizeBytes: number): Content {
  return contentOf(randomBytes(sizeBytes));
}

export function contentOf(bytes: Uint8Array): Content {
  return { bytes, digest: digestOf(bytes) };
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** An image manifest over the given contents. */
export function manifestOf(config: Content, layers: readonly Content[], note = ""): Content {
  const descriptor = (content: Content, mediaType: string) => ({
    mediaType,
    digest: content.digest,
    size: content.bytes.byteLength,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: imageManifestType,
    config: descriptor(config, "application/vnd.oci.image.config.v1+json"),
    layers: layers.map((layer) => descriptor(layer, "application/vnd.oci.image.layer.v1.tar")),
    ...(note === "" ? {} : { annotations: { note } }),
  };
  return contentOf(Buffer.from(JSON.stringify(manifest)));
}

export const imageManifestType = "application/vnd.oci.image.manifest.v1+json";

/** Plain calls to a registry with Basic credentials. Every call may fail with a network error when the server dies. */
export interface RegistrySession {
  request(
    method: string,
    path: string,
    init?: { body?: Uint8Array; headers?: Record<string, string> },
  ): Promise<Response>;
  /** Pushes a blob by one of three ways; tells the status of the last request. */
  pushBlob(repository: string, content: Content, way: "post" | "put" | "patch"): Promise<number>;
  pushManifest(repository: string, reference: string, manifest: Content): Promise<number>;
}

export function openSession(
  origin: string,
  credentials: { readonly username: string; readonly password: string },
  timeoutMs = 30_000,
): RegistrySession {
  const authorization = `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}`;
  const request: RegistrySession["request"] = (method, path, init = {}) =>
    fetch(new URL(path, origin), {
      method,
      headers: { authorization, ...init.headers },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
      ...(init.body === undefined ? {} : { body: Buffer.from(init.body) }),
    });
  const octets = { "content-type": "application/octet-stream" };
  const finish = async (response: Response) => {
    await response.arrayBuffer();
    return response;
  };
  return {
    request,
    async pushBlob(repository, content, way) {
      const collection = `/v2/${repository}/blobs/uploads/`;
      if (way === "post") {
        const path = `${collection}?digest=${content.digest}`;
        return (await finish(await request("POST", path, { body: content.bytes, headers: octets }))).status;
      }
      const begun = await finish(await request("POST", collection));
      const location = begun.headers.get("location");
      if (begun.status !== 202 || location === null) return begun.status;
      if (way === "patch") {
        const appended = await finish(
          await request("PATCH", location, { body: content.bytes, headers: octets }),
        );
        if (appended.status !== 202) return appended.status;
      }
      const body = way === "put" ? { body: content.bytes } : {};
      const closed = await request("PUT", `${location}?digest=${content.digest}`, {
        ...body,
        headers: octets,
      });
      return (await finish(closed)).status;
    },
    async pushManifest(repository, reference, manifest) {
      const response = await request("PUT", `/v2/${repository}/manifests/${reference}`, {
        body: manifest.bytes,
        headers: { "content-type": imageManifestType },
      });
      return (await finish(response)).status;
    },
  };
}
