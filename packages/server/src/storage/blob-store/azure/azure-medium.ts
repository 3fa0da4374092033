import { Readable } from "node:stream";
import {
  BlobSASPermissions,
  BlobServiceClient,
  type BlockBlobClient,
  type ContainerClient,
  generateBlobSASQueryParameters,
  RestError,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { AppError } from "../../../lib/app-error.ts";
import type { Clock } from "../../../lib/clock.ts";
import { deleteEach } from "../objects/delete-each.ts";
import { explainUnreachable } from "../objects/explain-unreachable.ts";
import type { ObjectMedium, PartedObject } from "../objects/object-medium.ts";
import type { StorageKeys } from "../objects/storage-keys.ts";
import type { AzurePlace } from "./parse-azure-url.ts";

// https://learn.microsoft.com/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs
const maxParts = 50_000;

/**
 * An Azure container as a medium, by the SDK: block blobs; the parts of a large object are blocks, which nobody sees until their list is
 * committed. Signs in with the account's key, asked for
 * with each request, as it may change. Signed addresses are service SAS for reading one blob.
 */
export async function openAzureMedium(
  place: AzurePlace,
  readKeys: () => Promise<StorageKeys>,
  clock: Clock,
): Promise<ObjectMedium> {
  let current = signIn(place, await readKeys());
  /** The account with the keys as they are now. */
  async function now(): Promise<SignedIn> {
    const keys = await readKeys();
    const { accessKey, secretKey } = current.keys;
    if (keys.accessKey !== accessKey || keys.secretKey !== secretKey) current = signIn(place, keys);
    return current;
  }
  const blobOf = async (key: string) => (await now()).container.getBlockBlobClient(place.prefix + key);
  const headers = { blobHTTPHeaders: { blobContentType: "application/octet-stream" } };

  return {
    endpoint: current.account,
    partBytes: place.partBytes,
    maxParts,
    async put(key, bytes) {
      await explained((await blobOf(key)).upload(Buffer.from(bytes), bytes.byteLength, headers));
    },
    begin: async (key) => createPartedObject(await blobOf(key)),
    async get(key, start, lengthBytes) {
      const answer = await missingIsUndefined((await blobOf(key)).download(start, lengthBytes));
      if (answer === undefined) return undefined;
      const { readableStreamBody: body, contentLength } = answer;
      if (!(body instanceof Readable))
        throw new AppError("UNAVAILABLE", "the object store answered without bytes");
      if ((contentLength ?? lengthBytes) < lengthBytes) {
        body.destroy();
        throw new AppError("UNAVAILABLE", "the object store answered with fewer bytes than were asked for");
      }
      return body;
    },
    getWhole: async (key) => missingIsUndefined((await blobOf(key)).downloadToBuffer()),
    async *list(below) {
      const { container } = await now();
      const pages = container.listBlobsFlat({ prefix: place.prefix + below });
      for await (const { name, properties } of explainedEach(pages)) {
        yield {
          key: name.slice(place.prefix.length),
          sizeBytes: properties.contentLength ?? 0,
          modifiedAtMs: properties.lastModified.getTime(),
        };
      }
    },
    delete: (all) => deleteEach(all, async (key) => explained((await blobOf(key)).deleteIfExists())),
    async *listUnfinished(below) {
      // With the uncommitted ones, which have no etag of a committed blob yet: what has blocks but no list of them.
      const { container } = await now();
      const pages = container.listBlobsFlat({ prefix: place.prefix + below, includeUncommitedBlobs: true });
      for await (const { name, properties } of explainedEach(pages)) {
        if ((properties.contentLength ?? 0) > 0) continue;
        const blocks = await missingIsUndefined(
          container.getBlockBlobClient(name).getBlockList("uncommitted"),
        );
        if ((blocks?.uncommittedBlocks ?? []).length === 0) continue;
        const begunAtMs = properties.lastModified?.getTime() ?? 0;
        yield { key: name.slice(place.prefix.length), token: "", begunAtMs };
      }
    },
    abort: async ({ key }) => dropBlocks(await blobOf(key)),
    async signUrl(key, reply) {
      const { account, container, credential } = await now();
      const blob = container.getBlockBlobClient(place.prefix + key);
      const nowMs = clock.nowMs();
      const query = generateBlobSASQueryParameters(
        {
          containerName: place.container,
          blobName: blob.name,
          permissions: BlobSASPermissions.parse("r"),
          // Clocks differ a little.
          startsOn: new Date(nowMs - 60_000),
          expiresOn: new Date(nowMs + reply.expiresSeconds * 1_000),
          contentType: reply.contentType,
          cacheControl: reply.cacheControl,
        },
        credential,
      );
      const address = blob.url.replace(account, place.publicEndpoint ?? account);
      return `${address}?${query.toString()}`;
    },
    close: async () => {},
  };
}

interface SignedIn {
  readonly keys: StorageKeys;
  readonly account: string;
  readonly credential: StorageSharedKeyCredential;
  readonly container: ContainerClient;
}

function signIn(place: AzurePlace, keys: StorageKeys): SignedIn {
  const credential = sharedKey(keys);
  const account = place.endpoint ?? `https://${keys.accessKey}.blob.core.windows.net`;
  const service = new BlobServiceClient(account, credential, {
    retryOptions: { maxTries: 4, retryDelayInMs: 200, maxRetryDelayInMs: 5_000, tryTimeoutInMs: 120_000 },
  });
  return { keys, account, credential, container: service.getContainerClient(place.container) };
}

/** `REQUEST_INVALID` for a key that is none: the SDK would sign with something else. */
function sharedKey(keys: StorageKeys): StorageSharedKeyCredential {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(keys.secretKey)) {
    throw new AppError(
      "REQUEST_INVALID",
      "storage.secretKey is no key of an Azure account: those are base64",
    );
  }
  return new StorageSharedKeyCredential(keys.accessKey, keys.secretKey);
}

function createPartedObject(blob: BlockBlobClient): PartedObject {
  const numbers = new Set<number>();
  // All ids of one blob have the same length.
  const idOf = (number: number) => Buffer.from(String(number).padStart(8, "0")).toString("base64");
  return {
    async writePart(number, bytes) {
      await explained(blob.stageBlock(idOf(number), Buffer.from(bytes), bytes.byteLength));
      numbers.add(number);
    },
    async complete() {
      const ids = [...numbers].sort((left, right) => left - right).map(idOf);
      await explained(
        blob.commitBlockList(ids, { blobHTTPHeaders: { blobContentType: "application/octet-stream" } }),
      );
    },
    abort: () => dropBlocks(blob),
  };
}

/** Blocks go when their blob is written anew: there is no request that ends them. The service does it by itself after a week. */
async function dropBlocks(blob: BlockBlobClient): Promise<void> {
  await explained(blob.upload("", 0));
  await explained(blob.deleteIfExists());
}

const sentences: Readonly<Record<string, string>> = {
  AuthenticationFailed:
    "the object store refuses the account's key, or this machine's clock is wrong (AuthenticationFailed): correct storage.secretKey, which is one of the account's two keys, and set the clock, by NTP",
  AuthorizationFailure:
    "the object store refuses this account (AuthorizationFailure): look at the storage account's firewall, and whether it lets this machine through",
  KeyBasedAuthenticationNotPermitted:
    "the storage account takes no keys (KeyBasedAuthenticationNotPermitted): allow access by account key in its configuration",
  ContainerNotFound: "the container does not exist (ContainerNotFound); make it, or correct storage.url",
  ContainerBeingDeleted:
    "the container is being deleted (ContainerBeingDeleted): make it anew in some minutes, or correct storage.url",
  ContainerDisabled: "the container is disabled (ContainerDisabled): ask who owns the storage account",
  AccountIsDisabled: "the storage account is disabled (AccountIsDisabled): look at its subscription",
  BlobArchived:
    "what was asked for lies in the archive tier (BlobArchived): bring it back to hot, and let no rule move what lies under the prefix",
  BlobImmutableDueToPolicy:
    "the container keeps what it has (BlobImmutableDueToPolicy): the registry must be able to delete; take the policy away, or use another container",
};

function explain(error: unknown): unknown {
  if (!(error instanceof RestError)) return error;
  const { code = "", statusCode } = error;
  if (statusCode === undefined)
    return explainUnreachable(error, "storage.accessKey is the account's name and part of it");
  const sentence =
    sentences[code] ??
    (code === ""
      ? `what answers at the account's address is no Azure service (${statusCode}): check endpoint in storage.url`
      : `the object store answers ${code} (${statusCode})`);
  return new AppError("UNAVAILABLE", sentence, { cause: error });
}

async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw explain(error);
  }
}

async function* explainedEach<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    throw explain(error);
  }
}

async function missingIsUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const isMissing =
      error instanceof RestError && error.statusCode === 404 && error.code !== "ContainerNotFound";
    if (isMissing) return undefined;
    throw explain(error);
  }
}
