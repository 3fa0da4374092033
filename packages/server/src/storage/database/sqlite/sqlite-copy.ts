import { open } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { translateDatabaseError } from "../database-error.ts";

/**
 * Copies a SQLite database, whoever uses it meanwhile, as of one moment, into a file that must not be there yet. Durable when it returns. Blocks this
 * process while it copies, nobody else.
 */
export async function copySqlite(file: string, target: string): Promise<void> {
  try {
    const db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    try {
      db.prepare("vacuum into ?").run(target);
    } finally {
      db.close();
    }
  } catch (error) {
    throw translateDatabaseError(error);
  }
  const handle = await open(target, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export interface CopiedBlob {
  readonly id: number;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly location: string;
}

/** What a copy says of blobs. */
export interface SqliteCopy {
  /** Blobs with sound bytes, by id after `afterId`. */
  blobsAfter(afterId: number, limit: number): readonly CopiedBlob[];
  hasBlob(digest: string): boolean;
  close(): void;
}

/** Opens a copy, to read it only. */
export function openSqliteCopy(file: string): SqliteCopy {
  const db = new DatabaseSync(file, { readOnly: true });
  const page = db.prepare(
    "select id, digest, size_bytes, location from blobs where id > ? and quarantined_at_ms is null order by id limit ?",
  );
  const one = db.prepare("select 1 from blobs where digest = ?");
  return {
    blobsAfter: (afterId, limit) =>
      page.all(afterId, limit).map((row) => ({
        id: Number(row["id"]),
        digest: String(row["digest"]),
        sizeBytes: Number(row["size_bytes"]),
        location: String(row["location"]),
      })),
    hasBlob: (digest) => one.get(digest) !== undefined,
    close: () => db.close(),
  };
}
