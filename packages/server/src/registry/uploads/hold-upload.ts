import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { claimUpload, findUpload, releaseClaim, renewClaim, type Upload } from "./upload-store.ts";

/** A claim lasts this long unless renewed: how long clients of a dead instance wait before they can resume. */
export const claimMs = 30_000;
const renewEveryMs = 10_000;

/** An upload that nobody else can write, on this instance or another, until the work is done. */
export interface HeldUpload {
  readonly upload: Upload;
  readonly claimant: string;
  /** The digest by which a request before tried to close it: bytes may lie in that final place. */
  readonly triedBefore: Digest | undefined;
  /** Fires when the client starts another request for the same upload, or the claim is lost. */
  readonly signal: AbortSignal;
}

/** How a claim names its holder: the process first, so that a restart can void what the process before held. */
export function claimantOf(deps: RegistryDeps, call: Call): string {
  return `${deps.instanceId}:${call.requestId}`;
}

/**
 * Runs `work` as the only writer of the upload. A writer in this process that is still at it (its client is gone, or is the same and
 * has given up waiting) is stopped first; one on another instance is not: `CONFLICT`. Throws `BLOB_UPLOAD_UNKNOWN`
 * when the repository has no such upload. The claim is given back in every case.
 */
export async function holdUpload<T>(
  deps: RegistryDeps,
  call: Call,
  target: { readonly repository: RepositoryName; readonly id: UploadId; readonly committing?: Digest },
  work: (held: HeldUpload) => Promise<T>,
): Promise<T> {
  const session = await deps.sessions.enter(target.id);
  try {
    const claimant = claimantOf(deps, call);
    const { upload, triedBefore } = await claim(deps, target, claimant);
    const lost = new AbortController();
    const renewal = setInterval(() => void renew(deps, target.id, claimant, lost), renewEveryMs);
    renewal.unref();
    try {
      const signal = AbortSignal.any([session.signal, lost.signal]);
      return await work({ upload, claimant, triedBefore, signal });
    } finally {
      clearInterval(renewal);
      await giveBack(deps, call, target.id, claimant);
    }
  } finally {
    session.done();
  }
}

async function claim(
  deps: RegistryDeps,
  target: { readonly repository: RepositoryName; readonly id: UploadId; readonly committing?: Digest },
  claimant: string,
): Promise<Pick<HeldUpload, "upload" | "triedBefore">> {
  const found = await findUpload(deps.database.read, target.repository, target.id);
  if (found === undefined) throw unknownUpload(target.id);
  const nowMs = deps.clock.nowMs();
  const upload = await deps.database.transaction(
    (tx) =>
      claimUpload(tx, target.id, {
        claimant,
        nowMs,
        untilMs: nowMs + claimMs,
        committingDigest: target.committing,
      }),
    { durable: false },
  );
  if (upload !== undefined) return { upload, triedBefore: found.committing };
  if ((await findUpload(deps.database.read, target.repository, target.id)) === undefined) {
    throw unknownUpload(target.id);
  }
  throw new AppError("CONFLICT", "another request is writing to this upload; wait for it or try again", {
    retryAfterSeconds: Math.ceil(claimMs / 1_000),
  });
}

async function renew(
  deps: RegistryDeps,
  id: UploadId,
  claimant: string,
  lost: AbortController,
): Promise<void> {
  try {
    const nowMs = deps.clock.nowMs();
    const kept = await deps.database.transaction(
      (tx) => renewClaim(tx, id, { claimant, nowMs, untilMs: nowMs + claimMs }),
      { durable: false },
    );
    if (!kept) lost.abort(new AppError("CONFLICT", "another request has taken over this upload"));
  } catch (error) {
    // One failed renewal is not the end: two more fit into the claim, and the final commit checks it.
    deps.log.warn({ error, uploadId: id }, "could not renew the claim on an upload");
  }
}

/** Frees the upload for the next request. A failure only delays that request until the claim lapses. */
async function giveBack(deps: RegistryDeps, call: Call, id: UploadId, claimant: string): Promise<void> {
  try {
    await deps.database.transaction((tx) => releaseClaim(tx, id, claimant), { durable: false });
  } catch (error) {
    call.log.warn({ error, uploadId: id }, "could not give back the claim on an upload");
  }
}

export function unknownUpload(id: string): AppError {
  return new AppError(
    "BLOB_UPLOAD_UNKNOWN",
    `there is no upload ${id} in this repository; it was finished, cancelled or has expired`,
  );
}
