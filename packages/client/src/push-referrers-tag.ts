import type { Descriptor } from "@entrepot/oci/descriptor";
import type { Digest } from "@entrepot/oci/digest";
import { isObject } from "@entrepot/oci/json-object";
import { mediaTypes } from "@entrepot/oci/media-types";
import { referrersTag } from "@entrepot/oci/referrers-tag";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { digestOf } from "./content-hash.ts";
import type { RegistryClient } from "./registry-client.ts";
import { isNotFound } from "./registry-error.ts";

/**
 * Lists a referrer under the tag that stands in for the referrers API, where a registry has none. Entries of others are kept as they are. Safe to
 * repeat; two clients at once may lose an entry, as the tag schema has no lock (distribution-spec, "Referrers Tag Schema").
 */
export async function pushReferrersTag(
  client: RegistryClient,
  entry: {
    readonly repository: RepositoryName;
    readonly subject: Digest;
    readonly referrer: Descriptor;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const { repository, subject, referrer, signal } = entry;
  const tag = referrersTag(subject);
  const manifests = await readEntries(client, entry);
  if (manifests.some((other) => isObject(other) && other["digest"] === referrer.digest)) return;
  const mediaType = mediaTypes.imageIndex;
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType, manifests: [...manifests, referrer] }),
  );
  await client.putManifest({ repository, mediaType, bytes, digest: digestOf(bytes), tags: [tag], signal });
}

async function readEntries(
  client: RegistryClient,
  entry: {
    readonly repository: RepositoryName;
    readonly subject: Digest;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<readonly unknown[]> {
  const reference = { kind: "tag", tag: referrersTag(entry.subject) } as const;
  try {
    const { repository, signal } = entry;
    const { bytes } = await client.getManifest({ repository, reference, signal });
    const index: unknown = JSON.parse(bytes.toString("utf8"));
    const manifests = isObject(index) ? index["manifests"] : undefined;
    return Array.isArray(manifests) ? manifests : [];
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}
