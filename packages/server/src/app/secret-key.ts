import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { AppError } from "../lib/app-error.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { createChangingSecretBox, type SecretBox } from "../lib/secret-box.ts";
import type { Database } from "../storage/database/database.ts";
import { findFact, putFact } from "../storage/database/fact-store.ts";

const factName = "secret-key";
/** Since when the present key is the present one; absent = since the beginning. */
export const secretKeySinceFact = "secret-key-since";
const generatedBytes = 32;
const lookEveryMs = 1_000;
const commandTimeoutMs = 30_000;
const run = promisify(execFile);

export interface SecretKeyOptions {
  /** The keys themselves, separated by commas. */
  readonly secretKey: string | undefined;
  /** A program and its arguments, separated by spaces, that prints the keys: for key management services. */
  readonly command: string | undefined;
  /** Used when neither is there; made when it is missing. */
  readonly file: string;
}

export interface OpenedSecretBox {
  readonly box: SecretBox;
  /** Ends the looking for new keys. */
  readonly stop: () => void;
}

/**
 * The box for secrets, with the configured keys, those that the command prints, or those in `file`. All processes that share a database
 * need the same keys: one that has others does not start, as nobody could sign in there with what was made elsewhere. A file that changes is read
 * again within a second or so. `REQUEST_INVALID` with what to do about it.
 */
export async function openSecretBox(
  options: SecretKeyOptions,
  database: Database,
  clock: Clock,
  log: Log,
): Promise<OpenedSecretBox> {
  const isFile = options.secretKey === undefined && options.command === undefined;
  const text = options.secretKey ?? (await readElsewhere(options, log));
  const box = createChangingSecretBox(parseKeys(text));
  await agree(box, database, clock);
  if (!isFile) return { box, stop: () => undefined };
  let known = text;
  let seen = await changedAt(options.file);
  let looking = false;
  async function look(): Promise<void> {
    const now = await changedAt(options.file);
    if (now === seen) return;
    const fresh = await readFile(options.file, "utf8");
    seen = now;
    if (fresh === known) return;
    box.replaceKeys(parseKeys(fresh));
    known = fresh;
    await agree(box, database, clock);
    log.info({ fingerprints: box.fingerprints }, "the keys for secrets were read again");
  }
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch((error: unknown) => log.error({ error }, "the changed keys for secrets cannot be used"))
      .finally(() => {
        looking = false;
      });
  }, lookEveryMs);
  timer.unref();
  return { box, stop: () => clearInterval(timer) };
}

/** Keys as they are written in a setting or a file: base64 or hexadecimal, separated by commas or lines. */
export function parseKeys(text: string): readonly Buffer[] {
  return text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(toKey);
}

/** A new key as it is written. */
export function newKeyText(): string {
  return randomBytes(generatedBytes).toString("base64");
}

function toKey(text: string): Buffer {
  const key = /^[0-9a-fA-F]{64,}$/.test(text) ? Buffer.from(text, "hex") : Buffer.from(text, "base64");
  if (key.length >= generatedBytes) return key;
  throw new AppError(
    "REQUEST_INVALID",
    "the secret key must be at least 32 random bytes in base64 or hexadecimal: `openssl rand -base64 32` makes one",
  );
}

async function readElsewhere({ command, file }: SecretKeyOptions, log: Log): Promise<string> {
  if (command === undefined) return readOrMake(file, log);
  const [program = "", ...args] = command.split(" ").filter((part) => part !== "");
  try {
    return (await run(program, args, { timeout: commandTimeoutMs, maxBuffer: 65_536 })).stdout;
  } catch (error) {
    // Neither output nor arguments: either may hold a secret.
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    throw new AppError("UNAVAILABLE", `the command for the secret key failed (${code}): ${program}`);
  }
}

async function readOrMake(file: string, log: Log): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  try {
    await writeFile(file, `${newKeyText()}\n`, { mode: 0o600, flag: "wx" });
    log.info({ file }, "made a key for secrets; keep a copy with the backup of the database");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  return readFile(file, "utf8");
}

async function changedAt(file: string): Promise<number> {
  return (await stat(file)).mtimeMs;
}

/** The database remembers which key is in use. Another is taken as its successor only when the old one is there, too. */
async function agree(box: SecretBox, database: Database, clock: Clock): Promise<void> {
  const [present = ""] = box.fingerprints;
  const known = await findFact(database.read, factName);
  if (known === present) return;
  const agreed = await database.transaction(async (tx) => {
    const before = await findFact(tx, factName);
    const isOurs = before === undefined || box.fingerprints.includes(before);
    if (isOurs) await putFact(tx, factName, present);
    if (isOurs && before !== undefined) await putFact(tx, secretKeySinceFact, String(clock.nowMs()));
    return isOurs;
  });
  if (agreed) return;
  throw new AppError(
    "REQUEST_INVALID",
    `the secrets in this database belong to another key than the one of this process (${present}): ` +
      "give every process the same ENTREPOT_SECRET_KEY, or the file secret.key of the first one's data folder",
  );
}
