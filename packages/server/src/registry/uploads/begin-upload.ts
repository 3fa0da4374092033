import { createHash } from "node:crypto";
import type { Digest, DigestAlgorithm } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import { commitTogether } from "../../storage/database/send-together.ts";
import { soundBlob } from "../blobs/linked-blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { ensureRepository } from "../repositories/ensure-repository.ts";
import { claimantOf, type HeldUpload } from "./hold-upload.ts";
import { claimMs, momentNow } from "./keep-claim.ts";
import { insertUpload } from "./upload-store.ts";

/** What an upload is begun as. */
export interface UploadStart {
  readonly repository: RepositoryName;
  readonly algorithm: DigestAlgorithm;
  /** The mark of the bearer token that begins it, which may end meanwhile. */
  readonly begunWith?: string | undefined;
}

type FreshUpload = Pick<HeldUpload, "upload" | "knownBlobId" | "claimedUntilMs" | "askedAt">;

/**
 * Starts an upload, creating the repository on its first push. `algorithm` is a hint which digest will close it; any may
 * (at the cost of reading the bytes once more). The upload expires when it is not touched for the configured time.
 */
export async function beginUpload(deps: RegistryDeps, call: Call, start: UploadStart): Promise<UploadId> {
  return (await insertFresh(deps, call, start, undefined)).upload.id;
}

/** Starts an upload that the request holds already and will close with `digest`; see `holdFresh`. */
export async function beginHeldUpload(
  deps: RegistryDeps,
  call: Call,
  start: UploadStart & { readonly digest: Digest },
): Promise<FreshUpload> {
  return insertFresh(deps, call, start, start.digest);
}

async function insertFresh(
  deps: RegistryDeps,
  call: Call,
  { repository, algorithm, begunWith }: UploadStart,
  committing: Digest | undefined,
): Promise<FreshUpload> {
  const upload = {
    id: (await deps.regions?.newUploadId(repository)) ?? deps.newUploadId(),
    algorithm,
    offsetBytes: 0,
    digestSoFar: createHash(algorithm).digest("hex"),
    committing,
  };
  for (;;) {
    const askedAt = momentNow(deps);
    const nowMs = askedAt.wallMs;
    const { claimClock } = deps;
    const claim =
      committing === undefined
        ? undefined
        : { claimant: claimantOf(deps, call), nowMs, forMs: claimMs, claimClock };
    // Not durable: an upload that a power failure forgets has no acknowledged byte yet.
    const [[inserted], [known]] = await deps.database.transaction(
      (tx) =>
        commitTogether(tx, [
          insertUpload(tx, { ...upload, repository, nowMs, begunWith, claim }),
          soundBlob(tx, committing ?? ""),
        ]),
      { durable: false },
    );
    if (inserted !== undefined) {
      const { repository_id: repositoryId, claimed_until_ms: claimedUntilMs } = inserted;
      return { upload: { ...upload, repositoryId }, knownBlobId: known?.id, claimedUntilMs, askedAt };
    }
    await ensureRepository(deps, call, repository);
  }
}
