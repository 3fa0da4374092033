import { constants } from "node:fs";
import { mkdir, open, opendir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError } from "../../../lib/app-error.ts";
import type { BlobStore, StoredObject, UploadId } from "../blob-store.ts";
import { checkLocation, checkUploadId, isLocation, isUploadId, locationOf } from "../names.ts";
import { systemCode, translate } from "./file-error.ts";
import { createFileWriter } from "./file-writer.ts";
import { createOpenFiles, openOnce } from "./open-files.ts";
import { createFolderSync } from "./sync-folder.ts";

const { O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * Blobs as files:
 *
 *   <root>/uploads/<upload id>                              bytes that are still coming
 *   <root>/blobs/<algorithm>/<two hex>/<hex>.<upload id>    bytes of a blob; the location is what follows blobs/
 *
 * Durable order: append → fdatasync (`sync`) → rename → fsync of the folder (`commitUpload`) → row in SQL. Both folders lie on one
 * file system, so that the rename is atomic and copies nothing.
 */
export async function openFilesystemBlobStore(root: string): Promise<BlobStore> {
  const uploads = join(root, "uploads");
  const blobs = join(root, "blobs");
  const syncFolder = createFolderSync();
  const knownFolders = new Set<string>();
  const uploadPath = (id: UploadId) => join(uploads, checkUploadId(id));
  const blobPath = (location: string) => join(blobs, location);
  const files = createOpenFiles({ idleMs: 5_000, maxIdle: 64 });

  async function remove(path: string): Promise<void> {
    await rm(path, { force: true });
    await files.drop(path);
  }

  /** Makes a folder durably, once: the name of a new folder is only safe when its parent was flushed. */
  async function ensureFolder(folder: string): Promise<void> {
    if (knownFolders.has(folder)) return;
    const parent = dirname(folder);
    if (folder !== root && parent !== folder) await ensureFolder(parent);
    await mkdir(folder, { mode: 0o700, recursive: folder === root });
    await syncFolder(parent);
    knownFolders.add(folder);
  }

  async function ensure(folder: string): Promise<void> {
    try {
      await ensureFolder(folder);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
      knownFolders.add(folder);
      await ensure(folder);
    }
  }
  for (const folder of [root, uploads, blobs, join(blobs, "sha256"), join(blobs, "sha512")])
    await ensure(folder);

  return {
    async openUpload(id, offsetBytes, mayChange = async () => {}) {
      const flags = O_WRONLY | O_NOFOLLOW | (offsetBytes === 0 ? O_CREAT : 0);
      try {
        const handle = await open(uploadPath(id), flags, 0o600);
        try {
          const { size } = await handle.stat();
          if (size < offsetBytes) {
            throw new AppError(
              "BLOB_UPLOAD_UNKNOWN",
              `upload ${id} has ${size} bytes in storage, not ${offsetBytes}`,
            );
          }
          if (size > offsetBytes) {
            await mayChange();
            await handle.truncate(offsetBytes);
          }
          return createFileWriter(handle, offsetBytes);
        } catch (error) {
          await handle.close();
          throw error;
        }
      } catch (error) {
        throw translate(error, "BLOB_UPLOAD_UNKNOWN");
      }
    },
    async openUploadForReading(id, sizeBytes) {
      const reader = await openOnce(uploadPath(id)).catch((error: unknown) => {
        throw translate(error, "BLOB_UPLOAD_UNKNOWN");
      });
      if (reader.sizeBytes >= sizeBytes) return { ...reader, sizeBytes };
      await reader.close();
      throw new AppError(
        "BLOB_UPLOAD_UNKNOWN",
        `upload ${id} has ${reader.sizeBytes} bytes in storage, not ${sizeBytes}`,
      );
    },
    async commitUpload(id, digest, sizeBytes) {
      const location = locationOf(id, digest);
      const target = blobPath(location);
      try {
        await ensure(dirname(target));
        if (!(await isFile(target, sizeBytes))) {
          if (!(await isFile(uploadPath(id), sizeBytes))) {
            throw new AppError(
              "BLOB_UPLOAD_UNKNOWN",
              `upload ${id} does not have its ${sizeBytes} bytes in storage`,
            );
          }
          await rename(uploadPath(id), target);
        }
        await syncFolder(dirname(target));
      } catch (error) {
        throw translate(error, "BLOB_UPLOAD_UNKNOWN");
      }
      return location;
    },
    async discardUpload(id, digest) {
      await remove(uploadPath(id));
      if (digest !== undefined) await remove(blobPath(locationOf(id, digest)));
    },
    async openBlob(location) {
      try {
        return await files.open(blobPath(checkLocation(location)));
      } catch (error) {
        throw translate(error, "BLOB_UNKNOWN");
      }
    },
    hasWhole: async (location, sizeBytes) => isFile(blobPath(checkLocation(location)), sizeBytes),
    async deleteBlob(location) {
      await remove(blobPath(checkLocation(location)));
    },
    signUrl: async () => undefined,
    async *list() {
      yield* listFiles(uploads, "upload", "");
      for (const algorithm of ["sha256", "sha512"]) {
        for await (const shard of await opendir(join(blobs, algorithm))) {
          if (!shard.isDirectory()) continue;
          yield* listFiles(join(blobs, algorithm, shard.name), "blob", `${algorithm}/${shard.name}/`);
        }
      }
    },
    async probe() {
      const path = join(uploads, `probe-${crypto.randomUUID()}`);
      const bytes = Buffer.from("entrepot");
      try {
        const handle = await open(path, "wx+", 0o600);
        try {
          await handle.write(bytes, 0, bytes.byteLength, 0);
          await handle.datasync();
          const back = Buffer.alloc(bytes.byteLength);
          await handle.read(back, 0, back.byteLength, 0);
          if (!back.equals(bytes)) throw new Error("the disk gave back other bytes than were written");
        } finally {
          await handle.close();
        }
      } catch (error) {
        throw translate(error, "BLOB_UNKNOWN");
      } finally {
        await rm(path, { force: true });
      }
    },
    close: () => files.close(),
  };
}

async function isFile(path: string, sizeBytes: number): Promise<boolean> {
  try {
    const { size } = await stat(path);
    return size === sizeBytes;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

async function* listFiles(
  folder: string,
  kind: StoredObject["kind"],
  prefix: string,
): AsyncGenerator<StoredObject> {
  for await (const entry of await opendir(folder)) {
    const name = `${prefix}${entry.name}`;
    // What is not ours is passed over: NFS leaves files of its own beside open ones, and so do backups.
    if (!(kind === "blob" ? isLocation(name) : isUploadId(name))) continue;
    try {
      const { size, mtimeMs } = await stat(join(folder, entry.name));
      yield { kind, name, sizeBytes: size, modifiedAtMs: mtimeMs };
    } catch (error) {
      // It went while the folder was read.
      if (systemCode(error) !== "ENOENT") throw error;
    }
  }
}
