import { readFile } from "node:fs/promises";
import { AppError } from "../../../lib/app-error.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { StorageKeys, StorageKeysFile, StorageSignIn } from "./storage-keys.ts";

/** A file is looked at again when this has passed. */
const freshMs = 1_000;
/** So often it is told that a file still cannot be used. */
const tellEveryMs = 600_000;
const maxBytes = 65_536;

/**
 * Reads a file's text as often as it is asked for, at most once a second. When it cannot be read, or is not what `parse` takes, what was read before goes
 * on being used, and `onChange` is told when that lasts: files are written while they are read, so one such look says nothing. `UNAVAILABLE` when there is nothing before. `parse` is
 * given the text and the name of the setting for its messages, which must not quote the text.
 */
export function createFileReader<T>(
  source: StorageKeysFile,
  clock: Clock,
  parse: (text: string, setting: string) => T,
): () => Promise<T> {
  const { keysFile, setting = "storage.keysFile", onChange = () => {} } = source;
  let known: { readonly value: T; readonly readAtMs: number } | undefined;
  let reading: Promise<T> | undefined;
  let failures = 0;
  let toldAtMs: number | undefined;

  function worked(): void {
    if (toldAtMs !== undefined) onChange({ isUsable: true });
    [failures, toldAtMs] = [0, undefined];
  }

  function failed({ message }: AppError): void {
    failures += 1;
    const nowMs = clock.nowMs();
    const isDue = toldAtMs === undefined || Math.abs(nowMs - toldAtMs) >= tellEveryMs;
    if (failures < 2 || !isDue) return;
    toldAtMs = nowMs;
    onChange({ isUsable: false, reason: message });
  }

  async function read(): Promise<T> {
    try {
      const text = (await readFile(keysFile, "utf8")).slice(0, maxBytes);
      known = { value: parse(text, setting), readAtMs: clock.nowMs() };
      worked();
    } catch (error) {
      const told = unreadable(error, setting);
      if (known === undefined) throw told;
      failed(told);
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
  const { tempUrlKey } = signIn;
  return createFileReader(signIn, clock, (text, setting) => ({ ...parseKeys(text, setting), tempUrlKey }));
}

/** JSON with `accessKey`, `secretKey`, `sessionToken`; or the first profile of a credentials file as AWS has it. */
function parseKeys(text: string, setting: string): StorageKeys {
  const found = text.trimStart().startsWith("{") ? parseJson(text) : parseProfile(text);
  const { accessKey, secretKey, sessionToken } = found;
  if (!accessKey || !secretKey) {
    throw new AppError(
      "UNAVAILABLE",
      `${setting} has no keys: it is JSON with accessKey and secretKey, or lines with aws_access_key_id and aws_secret_access_key`,
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

function unreadable(error: unknown, setting: string): AppError {
  if (error instanceof AppError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "not of its form";
  // Without the cause: a parser's message quotes what it read.
  return new AppError("UNAVAILABLE", `${setting} cannot be read (${code})`);
}
