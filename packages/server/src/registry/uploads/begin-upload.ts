import { createHash } from "node:crypto";
import type { DigestAlgorithm } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { ensureRepository } from "../repositories/ensure-repository.ts";
import { insertUpload } from "./upload-store.ts";

/**
 * Starts an upload, creating the repository on its first push. `algorithm` is a hint which digest will close it; any may
 * (at the cost of reading the bytes once more). The upload expires when it is not touched for the configured time.
 */
export async function beginUpload(
  deps: RegistryDeps,
  call: Call,
  start: {
    readonly repository: RepositoryName;
    readonly algorithm: DigestAlgorithm;
    /** The mark of the bearer token that begins it, which may end meanwhile. */
    readonly begunWith?: string | undefined;
  },
): Promise<UploadId> {
  const repositoryId = await ensureRepository(deps, call, start.repository);
  const id = (await deps.regions?.newUploadId(start.repository)) ?? deps.newUploadId();
  // Not durable: an upload that a power failure forgets has no acknowledged byte yet.
  await deps.database.transaction(
    (tx) =>
      insertUpload(tx, {
        id,
        repositoryId,
        algorithm: start.algorithm,
        offsetBytes: 0,
        begunWith: start.begunWith,
        digestSoFar: createHash(start.algorithm).digest("hex"),
        nowMs: deps.clock.nowMs(),
      }),
    { durable: false },
  );
  return id;
}
