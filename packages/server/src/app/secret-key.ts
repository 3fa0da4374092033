import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError } from "../lib/app-error.ts";
import type { Log } from "../lib/log.ts";
import { createSecretBox, type SecretBox } from "../lib/secret-box.ts";
import type { Database } from "../storage/database/database.ts";
import { findFact, putFact } from "../storage/database/fact-store.ts";

const factName = "secret-key";
const generatedBytes = 32;

/**
 * The box for secrets, with the configured keys, or with the one in `file`, which is made when it is missing. All processes that share a database
 * need the same key: one that has another does not start, as nobody could sign in there with what was made elsewhere. `REQUEST_INVALID` with what
 * to do about it.
 */
export async function openSecretBox(
  options: { readonly secretKey: string | undefined; readonly file: string },
  database: Database,
  log: Log,
): Promise<SecretBox> {
  const texts = options.secretKey ?? (await readOrMake(options.file, log));
  const box = createSecretBox(texts.split(",").map((text) => toKey(text.trim())));
  await agree(box, database);
  return box;
}

function toKey(text: string): Buffer {
  const key = /^[0-9a-fA-F]{64,}$/.test(text) ? Buffer.from(text, "hex") : Buffer.from(text, "base64");
  if (key.length >= generatedBytes) return key;
  throw new AppError(
    "REQUEST_INVALID",
    "the secret key must be at least 32 random bytes in base64 or hexadecimal: `openssl rand -base64 32` makes one",
  );
}

async function readOrMake(file: string, log: Log): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  try {
    await writeFile(file, `${randomBytes(generatedBytes).toString("base64")}\n`, { mode: 0o600, flag: "wx" });
    log.info({ file }, "made a key for secrets; keep a copy with the backup of the database");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  return readFile(file, "utf8");
}

/** The database remembers which key is in use. Another is taken as its successor only when the old one is there, too. */
async function agree(box: SecretBox, database: Database): Promise<void> {
  const [present = ""] = box.fingerprints;
  const known = await findFact(database.read, factName);
  if (known === present) return;
  const agreed = await database.transaction(async (tx) => {
    const before = await findFact(tx, factName);
    const isOurs = before === undefined || box.fingerprints.includes(before);
    if (isOurs) await putFact(tx, factName, present);
    return isOurs;
  });
  if (agreed) return;
  throw new AppError(
    "REQUEST_INVALID",
    `the secrets in this database belong to another key than the one of this process (${present}): ` +
      "give every process the same ENTREPOT_SECRET_KEY, or the file secret.key of the first one's data folder",
  );
}
