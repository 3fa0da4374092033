import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import type { Log } from "../../lib/log.ts";
import type { BlobLocation, StoredObject, UploadId } from "../../storage/blob-store/blob-store.ts";
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
  return report(findStrays(deps, signal), async () => {});
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
  const wanted = async function* () {
    for await (const stray of findStrays(deps, options.signal))
      if (options.kinds.includes(stray.kind)) yield stray;
  };
  const cleared = await report(wanted(), async ({ kind, name }) => {
    // as: the driver has told it as such
    if (kind === "upload") await deps.blobs.discardUpload(name as UploadId);
    else await deps.blobs.deleteBlob(name as BlobLocation);
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

async function report(
  strays: AsyncIterable<StoredObject>,
  act: (stray: StoredObject) => Promise<void>,
): Promise<StrayReport> {
  let [uploads, blobs, bytes] = [0, 0, 0];
  const examples: string[] = [];
  for await (const stray of strays) {
    await act(stray);
    if (stray.kind === "upload") uploads += 1;
    else blobs += 1;
    bytes += stray.sizeBytes;
    if (examples.length < maxExamples) examples.push(`${stray.kind} ${stray.name}`);
  }
  return { uploads, blobs, bytes, examples };
}
