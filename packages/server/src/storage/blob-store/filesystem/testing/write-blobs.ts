import { createHash, randomBytes, randomInt, randomUUID } from "node:crypto";
import { makeDigest } from "@entrepot/oci/digest";
import type { UploadId } from "../../blob-store.ts";
import { openFilesystemBlobStore } from "../filesystem-blob-store.ts";

/** Writes and commits blobs until it is killed; tells its parent of those that are committed. */
const store = await openFilesystemBlobStore(process.argv[2] ?? "");
for (;;) {
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      const id = randomUUID() as UploadId; // as: a UUID has the form of an upload id
      const bytes = randomBytes(randomInt(300_000));
      const writer = await store.openUpload(id, 0);
      for (let start = 0; start < bytes.byteLength; start += 50_000)
        await writer.append([bytes.subarray(start, start + 50_000)]);
      await writer.sync();
      await writer.close();
      await store.commitUpload(
        id,
        makeDigest("sha256", createHash("sha256").update(bytes).digest("hex")),
        bytes.byteLength,
      );
      process.send?.("committed");
    }),
  );
}
