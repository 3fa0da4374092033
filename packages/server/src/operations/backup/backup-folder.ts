import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Digest, digestAlgorithm, digestHex } from "@entrepot/oci/digest";
import { isObject } from "@entrepot/oci/json-object";
import { AppError } from "../../lib/app-error.ts";

/*
 *   <folder>/backup.json                       what the backup consists of, with checksums; replaced last, so that an interrupted run leaves the one before
 *   <folder>/database-<time>.db                the database as of one moment
 *   <folder>/blobs/<algorithm>/<two hex>/<hex> blobs by digest, kept from one backup to the next
 *   <folder>/secret.key                        the key for secrets, where the registry keeps it in a file
 */
export interface BackupContent {
  readonly format: 1;
  readonly version: string;
  /** The moment of which the database is. */
  readonly takenAtMs: number;
  readonly database: { readonly file: string; readonly sizeBytes: number; readonly sha256: string };
  readonly blobs: { readonly count: number; readonly bytes: number };
  /** Digests that the database names and whose bytes could not be read. */
  readonly missing: readonly string[];
  /** `file` = in secret.key; `settings` = it came from the settings, which are not part of the backup. */
  readonly secretKey: "file" | "settings";
}

export const manifestFile = "backup.json";
export const secretKeyFile = "secret.key";

export function blobFile(folder: string, digest: Digest): string {
  const hex = digestHex(digest);
  return join(folder, "blobs", digestAlgorithm(digest), hex.slice(0, 2), hex);
}

/** Writes the manifest so that either the old or the new one is there. */
export async function writeContent(folder: string, content: BackupContent): Promise<void> {
  const sha256 = createHash("sha256").update(JSON.stringify(content)).digest("hex");
  await writeDurably(join(folder, manifestFile), [
    Buffer.from(`${JSON.stringify({ content, sha256 }, null, 2)}\n`),
  ]);
}

/** The manifest; undefined when the folder has none. `REQUEST_INVALID` when it was changed or is of a later format. */
export async function readContent(folder: string): Promise<BackupContent | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, manifestFile), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const json: unknown = parseJson(text);
  const content = isObject(json) ? json["content"] : undefined;
  const sha256 = createHash("sha256")
    .update(JSON.stringify(content ?? null))
    .digest("hex");
  if (!isObject(json) || !isObject(content) || json["sha256"] !== sha256)
    throw invalid("its manifest is damaged");
  if (content["format"] !== 1) throw invalid("it was made by a later version");
  return content as unknown as BackupContent; // as: its checksum says that `writeContent` has written it
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function invalid(reason: string): AppError {
  return new AppError("REQUEST_INVALID", `the backup cannot be used: ${reason}`);
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** Writes a file with its folders, flushed before it has its name. */
export async function writeDurably(
  file: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const unfinished = `${file}.${randomBytes(6).toString("hex")}.part`;
  const handle = await open(unfinished, "wx", 0o600);
  try {
    for await (const chunk of chunks) await handle.writeFile(chunk);
    await handle.sync();
    await handle.close();
    await rename(unfinished, file);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(unfinished, { force: true });
    throw error;
  }
  const folder = await open(dirname(file), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Makes the folder, or takes one that is empty or has a backup. `REQUEST_INVALID` for any other. */
export async function prepareFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const names = await readdir(folder);
  const isOurs = names.every(
    (name) =>
      name === "blobs" ||
      name.startsWith("database-") ||
      name === secretKeyFile ||
      name.startsWith(manifestFile),
  );
  if (!isOurs)
    throw new AppError("REQUEST_INVALID", `the folder ${folder} has other things in it than a backup`);
}
