import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { RegistryDeps } from "../registry-deps.ts";
import { findRepositoryId } from "../repositories/repository-store.ts";
import { listReferrerRows, type ReferrerRow } from "./referrer-store.ts";

/** One entry of a referrers index, as distribution-spec "Listing Referrers" has it. */
export interface ReferrerDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ReferrersPage {
  readonly descriptors: readonly ReferrerDescriptor[];
  /** Where the next page starts; undefined = this was the last. */
  readonly next: number | undefined;
}

const maxEntries = 1_000;
// Clients read an index with the same limit as a manifest, 4 MiB; annotations can be long, so pages end by size, too.
const maxPageBytes = 3_500_000;

/**
 * Every manifest or index of the repository whose subject is `subject`, whether it or its subject is tagged, and whether the
 * client that pushed it knew of referrers or kept a referrers tag. Never an error: unknown repository or subject = an empty page.
 */
export async function listReferrers(
  deps: RegistryDeps,
  query: {
    readonly repository: RepositoryName;
    readonly subject: Digest;
    readonly artifactTypes: readonly string[];
    readonly after: number;
    readonly limit: number;
  },
): Promise<ReferrersPage> {
  const repositoryId = await findRepositoryId(deps.database.read, query.repository);
  if (repositoryId === undefined) return { descriptors: [], next: undefined };
  const limit = Math.min(query.limit, maxEntries);
  if (limit === 0) return { descriptors: [], next: undefined };
  const rows = await listReferrerRows(deps.database.read, { ...query, repositoryId, limit: limit + 1 });
  const descriptors: ReferrerDescriptor[] = [];
  let bytes = 0;
  let lastId = query.after;
  for (const row of rows.slice(0, limit)) {
    const descriptor = describe(row);
    bytes += JSON.stringify(descriptor).length;
    if (bytes > maxPageBytes && descriptors.length > 0) break;
    descriptors.push(descriptor);
    lastId = row.id;
  }
  return { descriptors, next: descriptors.length < rows.length ? lastId : undefined };
}

function describe(row: ReferrerRow): ReferrerDescriptor {
  return {
    mediaType: row.mediaType,
    digest: row.digest,
    size: row.sizeBytes,
    ...(row.artifactType === undefined ? {} : { artifactType: row.artifactType }),
    ...(Object.keys(row.annotations).length === 0 ? {} : { annotations: row.annotations }),
  };
}
