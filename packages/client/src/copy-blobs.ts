import type { Descriptor } from "@entrepot/oci/descriptor";
import type { CopyEvent, CopyImageOptions } from "./copy-options.ts";
import { RegistryError } from "./registry-error.ts";

export interface CopyBlobContext
  extends Pick<CopyImageOptions, "source" | "target" | "chunkBytes" | "onEvent" | "signal"> {
  readonly canMount: boolean;
  readonly concurrency: number;
}

type Arrival = Extract<CopyEvent, { readonly kind: "blob" }>["how"];

/** Numbers of blobs by how they came. */
export interface BlobCounts {
  sent: number;
  mounted: number;
  present: number;
  sentBytes: number;
}

/**
 * Brings blobs to the target, a few at once. The first failure ends the others and is thrown; what arrived stays, so a repetition does not send
 * it again.
 */
export async function copyBlobs(context: CopyBlobContext, blobs: readonly Descriptor[]): Promise<BlobCounts> {
  const counts: BlobCounts = { sent: 0, mounted: 0, present: 0, sentBytes: 0 };
  const failed = new AbortController();
  const signal =
    context.signal === undefined ? failed.signal : AbortSignal.any([context.signal, failed.signal]);
  // The largest first: else the longest transfer would begin last and run alone.
  const waiting = [...blobs].sort((a, b) => b.size - a.size);
  let failure: { readonly error: unknown } | undefined;

  async function work(): Promise<void> {
    for (let blob = waiting.shift(); blob !== undefined && failure === undefined; blob = waiting.shift()) {
      try {
        const how = await copyBlob(context, blob, signal);
        counts[how]++;
        if (how === "sent") counts.sentBytes += blob.size;
        context.onEvent?.({ kind: "blob", digest: blob.digest, sizeBytes: blob.size, how });
      } catch (error) {
        failure ??= { error };
        failed.abort();
      }
    }
  }

  const workers = Math.max(1, Math.min(context.concurrency, blobs.length));
  await Promise.all(Array.from({ length: workers }, work));
  context.signal?.throwIfAborted();
  if (failure !== undefined) throw failure.error;
  return counts;
}

async function copyBlob(context: CopyBlobContext, blob: Descriptor, signal: AbortSignal): Promise<Arrival> {
  const { source, target, onEvent } = context;
  const { digest, size: sizeBytes } = blob;
  const { repository } = target;
  const presentBytes = await target.client.headBlob({ repository, digest, signal });
  if (presentBytes !== undefined) return "present";
  if (context.canMount && source.repository !== repository) {
    if (await target.client.mountBlob({ repository, digest, from: source.repository, signal }))
      return "mounted";
  }
  await target.client.uploadBlob(
    {
      digest,
      sizeBytes,
      async open(fromByte) {
        const download = await source.client.getBlob({
          repository: source.repository,
          digest,
          fromByte,
          signal,
        });
        if (download.sizeBytes !== undefined && download.sizeBytes !== sizeBytes) {
          await download.chunks.return();
          throw new RegistryError(
            `${source.client.origin.host} has ${download.sizeBytes} bytes for blob ${digest}, its manifest says ${sizeBytes}`,
            { code: "SIZE_INVALID" },
          );
        }
        return download.chunks;
      },
    },
    {
      repository,
      signal,
      ...(context.chunkBytes !== undefined && { chunkBytes: context.chunkBytes }),
      onProgress: (movedBytes) => onEvent?.({ kind: "progress", digest, movedBytes, sizeBytes }),
    },
  );
  return "sent";
}
