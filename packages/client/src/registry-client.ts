import type { Descriptor } from "@entrepot/oci/descriptor";
import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { type BlobDownload, type BlobRequest, downloadBlob } from "./blob-download.ts";
import { type BlobSource, type BlobUploadOptions, uploadBlob } from "./blob-upload.ts";
import type { Credentials } from "./credentials.ts";
import { createHttpTransport, type TransportOptions } from "./http-transport.ts";
import { listRepositories, listTags } from "./listings.ts";
import {
  deleteManifest,
  type FetchedManifest,
  getManifest,
  headManifest,
  type ManifestPush,
  type ManifestRequest,
  type ManifestSummary,
  putManifest,
} from "./manifests.ts";
import { listReferrers, type ReferrersRequest } from "./referrers.ts";
import { createRegistrySession, repositoryScope } from "./registry-session.ts";
import { defaultRetryPolicy } from "./retry-policy.ts";

export interface RegistryClientOptions extends TransportOptions {
  /** Scheme, host and port: `https://registry.example.org`. */
  readonly origin: string;
  /** Absent = anonymous. */
  readonly credentials?: Credentials;
  /** Ends everything that this client does. */
  readonly signal?: AbortSignal;
}

/** What a registry tells of itself. */
export interface Greeting {
  /** The token service that was asked; undefined where there is none. */
  readonly tokenService: URL | undefined;
  /** Its clock; undefined when it does not tell. */
  readonly timeMs: number | undefined;
}

/**
 * One registry as its clients see it. Every function may be used concurrently and throws `RegistryError`; waits, repeats what may be repeated,
 * and ends within a second of its signal.
 */
export interface RegistryClient {
  readonly origin: URL;
  /** Throws unless a registry answers that takes these credentials. */
  ping(signal?: AbortSignal): Promise<Greeting>;
  getManifest(request: ManifestRequest): Promise<FetchedManifest>;
  headManifest(request: ManifestRequest): Promise<ManifestSummary | undefined>;
  putManifest(push: ManifestPush): Promise<{ readonly handlesSubject: boolean }>;
  deleteManifest(request: ManifestRequest): Promise<boolean>;
  /** The blob's size in bytes, or undefined when it is not in the repository. */
  headBlob(request: BlobRequest): Promise<number | undefined>;
  getBlob(request: BlobRequest): Promise<BlobDownload>;
  uploadBlob(source: BlobSource, options: BlobUploadOptions): Promise<void>;
  /** Takes a blob over from another repository. False when the registry would rather have it sent. */
  mountBlob(request: BlobRequest & { readonly from: RepositoryName }): Promise<boolean>;
  /** False when it was not there. */
  deleteBlob(request: BlobRequest): Promise<boolean>;
  listTags(repository: RepositoryName, signal?: AbortSignal): AsyncGenerator<string, void, undefined>;
  listRepositories(signal?: AbortSignal): AsyncGenerator<string, void, undefined>;
  listReferrers(request: ReferrersRequest): AsyncGenerator<Descriptor, void, undefined>;
  /** Waits for what is under way and frees the connections; nothing may be asked afterwards. */
  close(): Promise<void>;
}

/** Connects to nothing yet. A malformed origin throws a `TypeError`. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const transport = createHttpTransport(options);
  const retry = options.retry ?? defaultRetryPolicy;
  const session = createRegistrySession({
    transport,
    origin: new URL(new URL(options.origin).origin),
    credentials: options.credentials,
    nowMs: () => performance.now(),
    signal: options.signal,
  });
  return {
    origin: session.origin,
    async ping(signal) {
      const response = await session.request({
        method: "GET",
        target: "/v2/",
        scopes: [],
        what: "greet the registry",
        accept: [200],
        signal,
      });
      await response.body.dump();
      const timeMs = Date.parse(response.header("date") ?? "");
      return { tokenService: session.tokenService(), timeMs: Number.isNaN(timeMs) ? undefined : timeMs };
    },
    getManifest: async (request) => getManifest(session, request),
    headManifest: async (request) => headManifest(session, request),
    putManifest: async (push) => putManifest(session, push),
    deleteManifest: async (request) => deleteManifest(session, request),
    getBlob: async (request) => downloadBlob(session, retry, request),
    uploadBlob: async (source, uploadOptions) => uploadBlob(session, retry, source, uploadOptions),
    async headBlob({ repository, digest, signal }) {
      const response = await session.request({
        method: "HEAD",
        target: blobPath(repository, digest),
        scopes: [repositoryScope(repository, ["pull"])],
        what: `look for blob ${digest} in ${repository}`,
        accept: [200, 404],
        signal,
      });
      await response.body.dump();
      return response.status === 404 ? undefined : Number(response.header("content-length") ?? 0);
    },
    async mountBlob({ repository, digest, from, signal }) {
      const response = await session.request({
        method: "POST",
        target: `/v2/${repository}/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`,
        scopes: [repositoryScope(repository, ["pull", "push"]), repositoryScope(from, ["pull"])],
        what: `take blob ${digest} over from ${from} into ${repository}`,
        accept: [201, 202],
        headers: { "content-length": "0" },
        signal,
      });
      await response.body.dump();
      return response.status === 201;
    },
    async deleteBlob({ repository, digest, signal }) {
      const response = await session.request({
        method: "DELETE",
        target: blobPath(repository, digest),
        scopes: [repositoryScope(repository, ["delete"])],
        what: `delete blob ${digest} of ${repository}`,
        accept: [200, 202, 204, 404],
        signal,
      });
      await response.body.dump();
      return response.status !== 404;
    },
    listTags: (repository, signal) => listTags(session, repository, signal),
    listRepositories: (signal) => listRepositories(session, signal),
    listReferrers: (request) => listReferrers(session, request),
    close: async () => transport.close(),
  };
}

function blobPath(repository: RepositoryName, digest: Digest): string {
  return `/v2/${repository}/blobs/${digest}`;
}
