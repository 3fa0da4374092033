import { readFile } from "node:fs/promises";
import { AppError } from "../../../lib/app-error.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { StorageKeys, StorageSignIn } from "./storage-keys.ts";

/** A file is looked at again when this has passed. */
const freshMs = 1_000;
const maxBytes = 65_536;

/**
 * Reads a file's text as often as it is asked for, at most once a second. When it cannot be read, or is not what `check` takes, what was read before goes
 * on being used: files are written while they are read. `UNAVAILABLE` when there is nothing before.
 */
export function createFileReader<T>(
  file: string,
  clock: Clock,
  parse: (text: string) => T,
): () => Promise<T> {
  let known: { readonly value: T; readonly readAtMs: number } | undefined;
  let reading: Promise<T> | undefined;

  async function read(): Promise<T> {
    try {
      const text = (await readFile(file, "utf8")).slice(0, maxBytes);
      known = { value: parse(text), readAtMs: clock.nowMs() };
    } catch (error) {
      if (known === undefined) throw unreadable(error);
      known = { value: known.value, readAtMs: clock.nowMs() };
    } finally {
      reading = undefined;
    }
    return known.value;
  }

  return async () => {
    // The distance, as a clock that was set back must not keep old keys for ever.
    if (known !== undefined && Math.abs(clock.nowMs() - known.readAtMs) < freshMs) return known.value;
    reading ??= read();
    return reading;
  };
}

/** The keys as they are now. `UNAVAILABLE` when a file has none. */
export function createKeyReader(signIn: StorageSignIn, clock: Clock): () => Promise<StorageKeys> {
  if (!("keysFile" in signIn)) return async () => signIn;
  const { keysFile, tempUrlKey } = signIn;
  return createFileReader(keysFile, clock, (text) => ({ ...parseKeys(text), tempUrlKey }));
}

/** JSON with `accessKey`, `secretKey`, `sessionToken`; or the first profile of a credentials file as AWS has it. */
function parseKeys(text: string): StorageKeys {
  const found = text.trimStart().startsWith("{") ? parseJson(text) : parseProfile(text);
  const { accessKey, secretKey, sessionToken } = found;
  if (!accessKey || !secretKey) {
    throw new AppError(
      "UNAVAILABLE",
      "storage.keysFile has no keys: it is JSON with accessKey and secretKey, or lines with aws_access_key_id and aws_secret_access_key",
    );
  }
  return { accessKey, secretKey, sessionToken: sessionToken || undefined };
}

interface FoundKeys {
  readonly accessKey: string | undefined;
  readonly secretKey: string | undefined;
  readonly sessionToken: string | undefined;
}

function parseJson(text: string): FoundKeys {
  const value: unknown = JSON.parse(text);
  const at = (name: string) => {
    const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
    return typeof found === "string" ? found : undefined;
  };
  return { accessKey: at("accessKey"), secretKey: at("secretKey"), sessionToken: at("sessionToken") };
}

function parseProfile(text: string): FoundKeys {
  const at = (name: string) => new RegExp(`^\\s*${name}\\s*=\\s*(\\S+)\\s*$`, "m").exec(text)?.[1];
  return {
    accessKey: at("aws_access_key_id"),
    secretKey: at("aws_secret_access_key"),
    sessionToken: at("aws_session_token"),
  };
}

function unreadable(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "not of its form";
  // Without the cause: a parser's message quotes what it read.
  return new AppError("UNAVAILABLE", `storage.keysFile cannot be read (${code})`);
}
