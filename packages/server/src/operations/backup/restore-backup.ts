import { createHash } from "node:crypto";
import { copyFile, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Digest, digestAlgorithm, digestHex, parseDigest } from "@entrepot/oci/digest";
import { byPartOfRegistry, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { newUuid } from "../../lib/ids.ts";
import { silentLog } from "../../lib/log.ts";
import type { BlobLocation, BlobStore, UploadId } from "../../storage/blob-store/blob-store.ts";
import { openDatabase } from "../../storage/database/open-database.ts";
import { openSqliteCopy } from "../../storage/database/sqlite/sqlite-copy.ts";
import { type BackupContent, blobFile, readContent, secretKeyFile, sha256Of } from "./backup-folder.ts";
import { forgetUnfinished, placeBlobs } from "./restore-store.ts";

export interface RestoreDeps {
  /** Where the SQLite database is to lie; nothing may be there yet. */
  readonly databaseFile: string;
  /** Must be empty. */
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** Where the key for secrets is to lie, if the backup has it. */
  readonly secretKeyFile: string;
}

export interface RestoreReport extends BackupContent {
  /** Blobs that could not be restored: as if they were not there until somebody pushes them again. */
  readonly lost: readonly string[];
  readonly durationMs: number;
}

const pageSize = 100;
const readBytes = 1_048_576;

/**
 * Brings a backup back into an empty place. The database gets its name last, so that an interrupted run leaves nothing that looks like a registry; what it has put
 * into storage must then be removed by hand. Every blob is checked against its digest. `ALREADY_EXISTS` when there is something already, `REQUEST_INVALID`
 * when there is no backup or it is damaged.
 */
export async function restoreBackup(
  deps: RestoreDeps,
  options: {
    readonly folder: string;
    readonly signal: AbortSignal;
    readonly onProgress: (restored: { readonly blobs: number; readonly bytes: number }) => void;
  },
): Promise<RestoreReport> {
  const startedAtMs = deps.clock.nowMs();
  const content = await readContent(options.folder);
  if (content === undefined) throw invalid(`there is no backup in ${options.folder}`);
  await checkEmpty(deps, content);
  const source = join(options.folder, content.database.file);
  if ((await sha256Of(source)) !== content.database.sha256) throw invalid("the backup's database is damaged");
  await mkdir(dirname(deps.databaseFile), { recursive: true });
  const unfinished = `${deps.databaseFile}.restoring`;
  for (const end of ["", "-wal", "-shm"]) await rm(`${unfinished}${end}`, { force: true });
  await copyFile(source, unfinished);
  const lost = await restoreInto(deps, options, unfinished);
  if (content.secretKey === "file") {
    await copyFile(join(options.folder, secretKeyFile), deps.secretKeyFile);
  }
  await flush(unfinished);
  await rename(unfinished, deps.databaseFile);
  await flush(dirname(deps.databaseFile));
  return { ...content, lost, durationMs: deps.clock.nowMs() - startedAtMs };
}

async function checkEmpty(deps: RestoreDeps, content: BackupContent): Promise<void> {
  if (await isThere(deps.databaseFile)) throw taken(`there is a database already: ${deps.databaseFile}`);
  if (content.secretKey === "file" && (await isThere(deps.secretKeyFile))) {
    throw taken(`there is a secret key already: ${deps.secretKeyFile}`);
  }
  for await (const { name } of deps.blobs.list()) {
    throw taken(`the storage is not empty, it holds ${name}`);
  }
}

/** Puts every blob into storage and its new place into the database; tells the digests of those that are lost. */
async function restoreInto(
  deps: RestoreDeps,
  options: Parameters<typeof restoreBackup>[1],
  file: string,
): Promise<readonly string[]> {
  const lost: string[] = [];
  const progress = { blobs: 0, bytes: 0 };
  const database = await openDatabase({
    url: `sqlite:${file}`,
    poolSize: 1,
    acquireTimeoutMs: 10_000,
    log: silentLog,
  });
  try {
    const copy = openSqliteCopy(file);
    try {
      for (let afterId = 0; ; ) {
        const page = copy.blobsAfter(afterId, pageSize);
        const last = page.at(-1);
        if (last === undefined) break;
        const placed: { id: number; location: BlobLocation | undefined }[] = [];
        for (const blob of page) {
          options.signal.throwIfAborted();
          const digest = parseDigest(blob.digest);
          const location = await restoreBlob(deps.blobs, blobFile(options.folder, digest), digest);
          if (location === undefined) lost.push(digest);
          placed.push({ id: blob.id, location });
          progress.blobs += 1;
          progress.bytes += blob.sizeBytes;
        }
        await database.transaction((tx) => placeBlobs(tx, placed, deps.clock.nowMs()));
        options.onProgress(progress);
        afterId = last.id;
      }
    } finally {
      copy.close();
    }
    await database.transaction(async (tx) => {
      await forgetUnfinished(tx);
      await recordAudit(tx, byPartOfRegistry("restore"), deps.clock.nowMs(), {
        action: "registry.restore",
        target: "registry",
        detail: { blobs: progress.blobs, lost: lost.length },
      });
    });
  } finally {
    await database.close();
  }
  return lost;
}

/** Undefined when the backup does not have the bytes of the digest. */
async function restoreBlob(
  blobs: BlobStore,
  file: string,
  digest: Digest,
): Promise<BlobLocation | undefined> {
  const id = newUuid() as UploadId; // as: a UUID has the form of an upload id
  const source = await open(file, "r").catch(() => undefined);
  if (source === undefined) return undefined;
  let position = 0;
  const hash = createHash(digestAlgorithm(digest));
  try {
    const writer = await blobs.openUpload(id, 0);
    try {
      for (;;) {
        // A new one each time: the store may keep it until it has written it.
        const { bytesRead, buffer } = await source.read(
          Buffer.allocUnsafe(readBytes),
          0,
          readBytes,
          position,
        );
        if (bytesRead === 0) break;
        const chunk = buffer.subarray(0, bytesRead);
        hash.update(chunk);
        await writer.append([chunk]);
        position += bytesRead;
      }
      await writer.sync();
    } finally {
      await writer.close();
    }
  } finally {
    await source.close();
  }
  if (hash.digest("hex") === digestHex(digest)) return blobs.commitUpload(id, digest, position);
  await blobs.discardUpload(id);
  return undefined;
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function taken(what: string): AppError {
  return new AppError("ALREADY_EXISTS", `${what}; a backup is restored into an empty place only`);
}

function invalid(message: string): AppError {
  return new AppError("REQUEST_INVALID", message);
}
