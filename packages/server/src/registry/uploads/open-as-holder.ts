import type { BlobWriter } from "../../storage/blob-store/blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import type { HeldUpload } from "./hold-upload.ts";

/**
 * Opens a held upload for appending at `offsetBytes`, as `openUpload` of the blob store does. Neither that nor any step of the writer changes a byte once
 * another may have taken over the upload: each throws `CONFLICT` instead.
 */
export async function openAsHolder(
  deps: RegistryDeps,
  held: Pick<HeldUpload, "upload" | "ensureHeld">,
  offsetBytes: number,
): Promise<BlobWriter> {
  // Opening cuts off what lies beyond the offset.
  await held.ensureHeld();
  const writer = await deps.blobs.openUpload(held.upload.id, offsetBytes, held.ensureHeld);
  return {
    async append(chunks) {
      await held.ensureHeld();
      await writer.append(chunks);
    },
    async sync() {
      await held.ensureHeld();
      await writer.sync();
    },
    close: () => writer.close(),
  };
}
