import { createHash } from "node:crypto";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { digestAlgorithm, digestHex, makeDigest, parseDigest } from "@entrepot/oci/digest";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { whileBytesAreHeld } from "../../lifecycle/garbage-collection/hold-bytes.ts";
import type { BlobLocation, BlobReader, BlobStore } from "../../storage/blob-store/blob-store.ts";
import type { Database } from "../../storage/database/database.ts";
import {
  type CopiedBlob,
  copySqlite,
  openSqliteCopy,
  type SqliteCopy,
} from "../../storage/database/sqlite/sqlite-copy.ts";
import {
  type BackupContent,
  blobFile,
  prepareFolder,
  secretKeyFile,
  sha256Of,
  writeContent,
  writeDurably,
} from "./backup-folder.ts";

export interface BackupDeps {
  readonly database: Database;
  /** The file of the SQLite database. */
  readonly databaseFile: string;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** Where the key for secrets lies; undefined = it came from the settings. */
  readonly secretKeyFile: string | undefined;
  readonly version: string;
}

export interface BackupReport extends BackupContent {
  /** Blobs that were not in the folder before. */
  readonly copied: number;
  readonly copiedBytes: number;
  readonly durationMs: number;
}

export interface BackupOptions {
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onProgress: (copied: { readonly blobs: number; readonly bytes: number }) => void;
}

const pageSize = 500;
const readBytes = 1_048_576;

/**
 * A backup of an embedded registry that may be running: the database as of one moment, then every blob that it names. Until the end no bytes are
 * removed from storage, so whatever was acknowledged before the moment is in it, however many pushes, deletes and collections run meanwhile.
 * Into a folder with an earlier backup only new blobs are copied; it stays whole until the new one is. Every blob is checked against its digest while
 * it is copied; damaged ones are told in `missing`.
 */
export async function createBackup(deps: BackupDeps, options: BackupOptions): Promise<BackupReport> {
  await prepareFolder(options.folder);
  const startedAtMs = deps.clock.nowMs();
  return whileBytesAreHeld(deps, async () => {
    const takenAtMs = deps.clock.nowMs();
    const name = `database-${takenAtMs}.db`;
    const file = join(options.folder, name);
    await rm(file, { force: true });
    await copySqlite(deps.databaseFile, file);
    const copy = openSqliteCopy(file);
    try {
      const { copied, copiedBytes, ...blobs } = await copyBlobs(deps, options, copy);
      if (deps.secretKeyFile !== undefined) {
        await writeDurably(join(options.folder, secretKeyFile), [await readFile(deps.secretKeyFile)]);
      }
      const content: BackupContent = {
        format: 1,
        version: deps.version,
        takenAtMs,
        database: { file: name, sizeBytes: (await stat(file)).size, sha256: await sha256Of(file) },
        blobs: { count: blobs.count, bytes: blobs.bytes },
        missing: blobs.missing,
        secretKey: deps.secretKeyFile === undefined ? "settings" : "file",
      };
      await writeContent(options.folder, content);
      await removeOlder(options.folder, name, copy);
      return { ...content, copied, copiedBytes, durationMs: deps.clock.nowMs() - startedAtMs };
    } finally {
      copy.close();
    }
  });
}

async function copyBlobs(deps: BackupDeps, options: BackupOptions, copy: SqliteCopy) {
  const sum = { count: 0, bytes: 0, copied: 0, copiedBytes: 0, missing: [] as string[] };
  for (let afterId = 0; ; ) {
    const page = copy.blobsAfter(afterId, pageSize);
    const last = page.at(-1);
    if (last === undefined) return sum;
    for (const blob of page) {
      options.signal.throwIfAborted();
      if (!(await isCopied(options.folder, blob))) {
        if (!(await copyBlob(deps, options.folder, blob))) {
          sum.missing.push(blob.digest);
          continue;
        }
        sum.copied += 1;
        sum.copiedBytes += blob.sizeBytes;
      }
      sum.count += 1;
      sum.bytes += blob.sizeBytes;
    }
    options.onProgress({ blobs: sum.count, bytes: sum.bytes });
    afterId = last.id;
  }
}

async function isCopied(folder: string, blob: CopiedBlob): Promise<boolean> {
  const found = await stat(blobFile(folder, parseDigest(blob.digest))).catch(() => undefined);
  return found?.size === blob.sizeBytes;
}

/** False when the bytes are not there or are not those of the digest. */
async function copyBlob(deps: BackupDeps, folder: string, blob: CopiedBlob): Promise<boolean> {
  const digest = parseDigest(blob.digest);
  try {
    // as: the row has it from the driver
    const reader = await deps.blobs.openBlob(blob.location as BlobLocation);
    try {
      const hash = createHash(digestAlgorithm(digest));
      await writeDurably(blobFile(folder, digest), checked(reader, hash, digestHex(digest)));
    } finally {
      await reader.close();
    }
    return true;
  } catch (error) {
    if (error instanceof AppError && ["BLOB_UNKNOWN", "DIGEST_INVALID"].includes(error.code)) return false;
    throw error;
  }
}

async function* checked(reader: BlobReader, hash: ReturnType<typeof createHash>, hex: string) {
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(readBytes, reader.sizeBytes)));
  for (let position = 0; position < reader.sizeBytes; ) {
    const got = await reader.read(buffer, position);
    if (got === 0) break;
    hash.update(buffer.subarray(0, got));
    yield buffer.subarray(0, got);
    position += got;
  }
  if (hash.digest("hex") !== hex)
    throw new AppError("DIGEST_INVALID", "the bytes are not those of the digest");
}

/** What only earlier backups needed. */
async function removeOlder(folder: string, database: string, copy: SqliteCopy): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith("database-") && name !== database) await rm(join(folder, name), { force: true });
  }
  for (const algorithm of ["sha256", "sha512"] as const) {
    const top = join(folder, "blobs", algorithm);
    for (const shard of await readdir(top).catch(() => [])) {
      for (const hex of await readdir(join(top, shard))) {
        const isNeeded = !hex.endsWith(".part") && copy.hasBlob(makeDigest(algorithm, hex));
        if (!isNeeded) await rm(join(top, shard, hex), { force: true });
      }
    }
  }
}
