import type { Digest } from "@entrepot/oci/digest";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import { commitTogether } from "../../storage/database/send-together.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { claimMs, type KeptClaim, keepClaim, type Moment, momentNow } from "./keep-claim.ts";
import { stillWriting } from "./upload-sessions.ts";
import { askForUpload, claimUpload, releaseClaim, type Upload } from "./upload-store.ts";

/** A holder learns within three seconds that another instance asks for the upload, and then needs a moment to keep what came. */
const askLimitMs = 5_000;
const maxPauses = 20;

/** An upload that nobody else can write, on this instance or another, until the work is done. */
export interface HeldUpload {
  readonly upload: Upload;
  readonly claimant: string;
  /** The digest by which a request before tried to close it: bytes may lie in that final place. */
  readonly triedBefore: Digest | undefined;
  /** The blob that the registry had of `committing` when the upload was claimed. */
  readonly knownBlobId: number | undefined;
  /** When the claim ends, unless renewed, by the clock of claims. */
  readonly claimedUntilMs: number;
  /** Just before the claim was asked for. */
  readonly askedAt: Moment;
  /** Fires when the client starts another request for the same upload, here or elsewhere, or the claim is lost. */
  readonly signal: AbortSignal;
  /** To be awaited before each change of the upload's bytes: `CONFLICT` once somebody else may have taken it over. See `KeptClaim`. */
  readonly ensureHeld: KeptClaim["ensureHeld"];
  /** Says that the claim has ended with what was written: it need not be given back. */
  readonly claimEnded: () => void;
}

/** How a claim names its holder: the process first, so that a restart can void what the process before held. */
export function claimantOf(deps: RegistryDeps, call: Call): string {
  return `${deps.instanceId}:${call.requestId}`;
}

/**
 * Runs `work` as the only writer of the upload. A writer in this process that is still at it (its client is gone, or is the same and
 * has given up waiting) is stopped first: `CONFLICT` when it has not ended after half a minute. So is one on another instance, which is asked and waited for: `CONFLICT` when it has not let go after
 * some five seconds, as it is gone without a word or waits for its disk or bucket. Throws `BLOB_UPLOAD_UNKNOWN` when the repository has no such
 * upload. The claim is given back in every case, unless the work says that it has ended.
 */
export async function holdUpload<T>(
  deps: RegistryDeps,
  call: Call,
  target: { readonly repository: RepositoryName; readonly id: UploadId; readonly committing?: Digest },
  work: (held: HeldUpload) => Promise<T>,
): Promise<T> {
  return inSession(deps, call, target.id, async (session) => {
    const claimant = claimantOf(deps, call);
    const claimed = await claim(deps, call, target, claimant, session);
    return whileClaimed(deps, call, { ...claimed, claimant }, session, work);
  });
}

/** As `holdUpload`, for one that `beginHeldUpload` has just begun. */
export async function holdFresh<T>(
  deps: RegistryDeps,
  call: Call,
  fresh: Pick<HeldUpload, "upload" | "knownBlobId" | "claimedUntilMs" | "askedAt">,
  work: (held: HeldUpload) => Promise<T>,
): Promise<T> {
  const claimed = { ...fresh, claimant: claimantOf(deps, call), triedBefore: undefined };
  return inSession(deps, call, fresh.upload.id, (session) =>
    whileClaimed(deps, call, claimed, session, work),
  );
}

async function inSession<T>(
  deps: RegistryDeps,
  call: Call,
  id: UploadId,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const session = await deps.sessions.enter(id, call.signal);
  try {
    return await work(session.signal);
  } finally {
    session.done();
  }
}

async function whileClaimed<T>(
  deps: RegistryDeps,
  call: Call,
  claimed: Omit<HeldUpload, "signal" | "ensureHeld" | "claimEnded">,
  session: AbortSignal,
  work: (held: HeldUpload) => Promise<T>,
): Promise<T> {
  const { upload, claimant } = claimed;
  const kept = keepClaim(deps, claimed);
  const signal = AbortSignal.any([session, kept.signal]);
  let isOver = false;
  const claimEnded = (): void => void (isOver = true);
  try {
    return await work({ ...claimed, signal, ensureHeld: kept.ensureHeld, claimEnded });
  } finally {
    kept.stop();
    if (!isOver) await giveBack(deps, call, upload.id, claimant);
  }
}

type Claimed = Pick<HeldUpload, "upload" | "triedBefore" | "knownBlobId" | "claimedUntilMs" | "askedAt">;

async function claim(
  deps: RegistryDeps,
  call: Call,
  target: { readonly repository: RepositoryName; readonly id: UploadId; readonly committing?: Digest },
  claimant: string,
  session: AbortSignal,
): Promise<Claimed> {
  const startedMs = performance.now();
  for (let pauses = 0; ; pauses++) {
    const askedAt = momentNow(deps);
    const { claimClock } = deps;
    const asked = { claimant, nowMs: askedAt.wallMs, forMs: claimMs, claimClock };
    const claimed = await deps.database.transaction((tx) => claimUpload(tx, target, asked), {
      durable: false,
    });
    if (claimed === undefined) throw unknownUpload(target.id);
    if (claimed !== "held") return { ...claimed, askedAt };
    const isTooLong = pauses === maxPauses || performance.now() - startedMs >= askLimitMs;
    if (isTooLong || session.aborted || call.signal.aborted) break;
    if (pauses === 0) await ask(deps, target.id);
    await deps.sessions.pause();
  }
  throw stillWriting();
}

async function ask(deps: RegistryDeps, id: UploadId): Promise<void> {
  await deps.database.transaction((tx) => commitTogether(tx, [askForUpload(tx, id)]), { durable: false });
}

/** Frees the upload for the next request. A failure only delays that request until the claim lapses. */
async function giveBack(deps: RegistryDeps, call: Call, id: UploadId, claimant: string): Promise<void> {
  try {
    await deps.database.transaction((tx) => commitTogether(tx, [releaseClaim(tx, id, claimant)]), {
      durable: false,
    });
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
