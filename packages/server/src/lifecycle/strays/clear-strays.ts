import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import type { Log } from "../../lib/log.ts";
import type { BlobLocation, BlobStore, StoredObject, UploadId } from "../../storage/blob-store/blob-store.ts";
import { findStrays, type StrayDeps } from "./find-strays.ts";

/** What was found, or removed. */
export interface StrayReport {
  readonly uploads: number;
  readonly blobs: number;
  readonly bytes: number;
  /** The first of them, as the store names them. */
  readonly examples: readonly string[];
}

const maxExamples = 20;

/** What a removal would remove. Changes nothing. */
export async function countStrays(deps: StrayDeps, signal: AbortSignal): Promise<StrayReport> {
  return reportPlaces(deps, signal, async () => true);
}

/**
 * Removes strays of the kinds asked for. Blobs only when somebody asks for it: with a database that was restored from an older backup, what was
 * pushed since looks like a stray, and can still be saved. May be repeated and stopped anywhere.
 */
export async function clearStrays(
  deps: StrayDeps & { readonly log: Log },
  source: AuditSource,
  options: { readonly kinds: readonly StoredObject["kind"][]; readonly signal: AbortSignal },
): Promise<StrayReport> {
  const cleared = await reportPlaces(deps, options.signal, async ({ kind, name }, blobs) => {
    if (!options.kinds.includes(kind)) return false;
    // as: the driver has told it as such
    if (kind === "upload") await blobs.discardUpload(name as UploadId);
    else await blobs.deleteBlob(name as BlobLocation);
    return true;
  });
  if (cleared.uploads + cleared.blobs > 0) {
    deps.log.info({ ...cleared }, "strays removed from the blob store");
    const { examples: _, ...counts } = cleared;
    await deps.database.transaction((tx) =>
      recordAudit(tx, source, deps.clock.nowMs(), {
        action: "garbage-collection.clear-strays",
        target: "registry",
        detail: counts,
      }),
    );
  }
  return cleared;
}

/** Place by place, passing over one that does not answer; then its error is thrown in the end. Counted is what `act` says yes to. */
async function reportPlaces(
  deps: StrayDeps,
  signal: AbortSignal,
  act: (stray: StoredObject, blobs: BlobStore) => Promise<boolean>,
): Promise<StrayReport> {
  let [uploads, blobs, bytes] = [0, 0, 0];
  const examples: string[] = [];
  const errors: unknown[] = [];
  for (const place of deps.places ?? [deps.blobs]) {
    try {
      for await (const stray of findStrays({ ...deps, blobs: place }, signal)) {
        if (!(await act(stray, place))) continue;
        if (stray.kind === "upload") uploads += 1;
        else blobs += 1;
        bytes += stray.sizeBytes;
        if (examples.length < maxExamples) examples.push(`${stray.kind} ${stray.name}`);
      }
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return { uploads, blobs, bytes, examples };
}
